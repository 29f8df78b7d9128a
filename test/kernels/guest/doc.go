// Command guest runs in a virtual machine as its first and only program, and measures what files on
// tmpfs cost on the kernel there. It carries out the plan in its initramfs, prints the results on
// the serial console and switches the machine off.
//
// Its writers, in cgroups of their own, are the same program: `guest write`.
package main

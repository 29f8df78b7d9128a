// Command guest measures what files on tmpfs cost on the kernel of a virtual machine, in which it is
// the first process. It carries out the plan in its initramfs, prints the results on
// the serial console and switches the machine off.
//
// Its writers, in cgroups of their own, are the same program: `guest write`.
package main

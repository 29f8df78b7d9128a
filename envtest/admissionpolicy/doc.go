// Package admissionpolicy tests what kubectl shm export writes on a real API server, without
// shmkeeper's own server: the admission policies are installed for every case of package policytest,
// and decide as package policy does.
package admissionpolicy

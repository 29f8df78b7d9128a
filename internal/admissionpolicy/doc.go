// Package admissionpolicy writes SharedMemoryPolicies as admission policies of the API server:
// expressions in CEL that change and check Pods without a webhook.
//
// What an expression says, it says as package policy does: for a Pod that it decides about, the
// change and the refusal are those of Evaluate. A Pod that CEL cannot decide about is left as it
// is, and a third policy warns about it and says why (variable "undecided"). What no expression
// can see, such as the LimitRanges of a namespace, is listed in Notes.
package admissionpolicy

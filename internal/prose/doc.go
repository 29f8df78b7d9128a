// Package prose holds the rules for what the project says in comments, messages and documents. They
// are tests: `make verify` runs them.
package prose

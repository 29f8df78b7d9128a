// Package usage forecasts when Memory emptyDirs are full. It computes with what it is given: it
// reads no clock and asks nobody. Packages below it ask the kubelets and Prometheus, and learn from
// what was measured.
//
// A Reading is what a source says of one volume at one moment. A Series keeps the readings of one
// volume in bounded memory, and Forecast looks ahead from its end.
package usage

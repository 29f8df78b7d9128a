package main

import "fmt"

// targetRow compares a figure with what the project aims at.
type targetRow struct{ What, Target, Measured, Met string }

// targetRows returns those targets whose figures were measured.
func targetRows(r *Results) (out []targetRow) {
	add := func(what string, measured, bound float64, atMost bool) {
		row := targetRow{What: what, Measured: fmt.Sprintf("%.2f", measured), Met: "met"}
		words, met := "at most", measured <= bound
		if !atMost {
			words, met = "at least", measured >= bound
		}
		row.Target = fmt.Sprintf("%s %.2f", words, bound)
		if !met {
			row.Met = "**missed**"
		}
		out = append(out, row)
	}
	for _, size := range []struct {
		name string
		own  float64
	}{{small, 1.35}, {large, 2.5}} {
		rows := r.Path[size.name]
		if len(rows) == 0 {
			continue
		}
		with, fixed := row(rows, enforce), row(rows, fixedCase)
		add("the server's CPU for a call, enforce / fixed patch, "+size.name, with.Own()/2/fixed.Own(), size.own, true)
		add("median latency, enforce / floor, "+size.name, with.ToFloor.Median, 1.15, true)
		apply := row(rows, "policy-apply")
		add("CPU of all servers, enforce / MutatingAdmissionPolicy with ApplyConfiguration, "+size.name, with.Total()/apply.Total(), 1, true)
		add("median latency, no policy matches / no webhook, "+size.name, row(rows, unmatched).ToNothing.Median, 1.05, true)
	}
	if len(r.Servers) == 2 {
		add("highest rate, shmkeeper / fixed patch", r.Servers[1].Limit.Median/r.Servers[0].Limit.Median, 0.65, false)
		add("errors at half of it", float64(r.Servers[1].Half.Errors), 0, true)
	}
	return out
}

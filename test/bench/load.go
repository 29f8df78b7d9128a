package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"
)

// bound is what 99 of 100 answers have to be faster than.
const bound = 10 * time.Millisecond

// Load represents the measurements of requests that arrive at a constant rate. A latency counts from the moment at
// which the request was due, so that a request that had to wait for the generator or for a
// connection is as slow as its caller finds it.
type Load struct {
	Server         string
	Rate           float64 // requests a second that were due
	Seconds        float64
	Requests       int
	Errors         int
	LastError      string
	P50, P99, P999 float64 // milliseconds
	CPU            float64 // milliseconds of the server for one request
	Generator      float64 // and of this process
	Memory         []Memory
}

// Memory is the resident memory of a server at a time.
type Memory struct{ Second, MiB float64 }

// passes reports whether the server kept up with the rate: all requests were answered, 99 of 100
// within the bound.
func (l *Load) passes() bool { return l.Errors == 0 && l.P99 <= milliseconds(bound) }

// connections is how many connections the generator keeps open: at most as many requests are with
// the server at a time, and others wait.
const connections = 64

// attack sends a review to a server at a constant rate for a time. The server runs on one processor
// meanwhile, and the generator on the others if there are any, so that what is measured is the
// server. It writes whole requests to connections of its own: general HTTP clients, such as vegeta's,
// take more processor time for a request than the floor takes to answer it, so that on two
// processors their own limit would be found for both servers.
func attack(ctx context.Context, t target, pid int, review []byte, rate float64, length time.Duration) (l Load, err error) {
	undo, err := apart(pid)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, undo()) }()
	workers, err := connect(ctx, t, review)
	if err != nil {
		return l, err
	}
	before, err := cpuOf(pid)
	if err != nil {
		return l, err
	}
	l = Load{Server: t.name, Rate: rate, Seconds: length.Seconds(), Requests: int(rate * length.Seconds())}
	queue := make(chan time.Time, l.Requests) // it holds all, so that sending never waits
	var group sync.WaitGroup
	for _, w := range workers {
		group.Go(func() { w.run(ctx, queue) })
	}
	l.Memory = schedule(ctx, queue, l.Requests, rate, pid)
	group.Wait()
	after, err := cpuOf(pid)
	if err != nil {
		return l, err
	}
	l.CPU = milliseconds(after[0]-before[0]) / float64(l.Requests)
	l.Generator = milliseconds(after[1]-before[1]) / float64(l.Requests)
	l.sum(workers)
	return l, ctx.Err()
}

// schedule puts requests into the queue when they are due, and closes it after the last. It returns
// the server's memory in each second.
func schedule(ctx context.Context, queue chan<- time.Time, requests int, rate float64, pid int) (memory []Memory) {
	defer close(queue)
	start := time.Now()
	for i := range requests {
		due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		time.Sleep(time.Until(due))
		if ctx.Err() != nil {
			return memory
		}
		queue <- due
		if second := due.Sub(start).Seconds(); second >= float64(len(memory)) {
			if mib, err := residentMiB(pid); err == nil { // otherwise the requests fail too
				memory = append(memory, Memory{second, mib})
			}
		}
	}
	return memory
}

// cpuOf returns the processor time of a process and of this one.
func cpuOf(pid int) (out [2]time.Duration, err error) {
	for i, id := range []int{pid, os.Getpid()} {
		if out[i], err = cpuTime(id); err != nil {
			return out, err
		}
	}
	return out, nil
}

// worker is one connection of the generator.
type worker struct {
	target    target
	conn      net.Conn
	reader    *bufio.Reader
	request   []byte
	latencies []float64 // milliseconds
	errors    int
	last      error
}

// connect opens all connections.
func connect(ctx context.Context, t target, review []byte) ([]*worker, error) {
	to, err := url.Parse(t.url)
	if err != nil {
		return nil, err
	}
	request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		to.Path, t.tls.ServerName, len(review), review)
	workers := make([]*worker, connections)
	for i := range workers {
		workers[i] = &worker{target: t, request: request}
		if err := workers[i].dial(ctx, to.Host); err != nil {
			return nil, err
		}
	}
	return workers, nil
}

func (w *worker) dial(ctx context.Context, address string) (err error) {
	if w.conn, err = (&tls.Dialer{Config: w.target.tls}).DialContext(ctx, "tcp", address); err != nil {
		return fmt.Errorf("%s: %w", w.target.name, err)
	}
	w.reader = bufio.NewReader(w.conn)
	return nil
}

// run sends the requests of the queue. The latency of each counts from when it was due. A connection
// that has failed, or that the server has closed, is opened again.
func (w *worker) run(ctx context.Context, queue <-chan time.Time) {
	defer func() {
		if w.conn != nil {
			_ = w.conn.Close() // all that was to come has come
		}
	}()
	for due := range queue {
		if ctx.Err() != nil {
			return
		}
		again, err := w.call()
		w.latencies = append(w.latencies, milliseconds(time.Since(due)))
		if again {
			address := w.conn.RemoteAddr().String()
			_ = w.conn.Close() // it is of no more use
			err = errors.Join(err, w.dial(ctx, address))
		}
		if err != nil {
			w.errors++
			w.last = err
		}
		if w.conn == nil {
			return
		}
	}
}

// call reports whether the connection is of no more use once it has sent a request and read the
// answer.
func (w *worker) call() (again bool, err error) {
	if err := w.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return true, err
	}
	if _, err := w.conn.Write(w.request); err != nil {
		return true, err
	}
	response, err := http.ReadResponse(w.reader, nil)
	if err != nil {
		return true, err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return true, err
	}
	if response.StatusCode != http.StatusOK {
		return response.Close, fmt.Errorf("%s answers %s", w.target.url, response.Status)
	}
	return response.Close, nil
}

// sum computes the figures of all connections.
func (l *Load) sum(workers []*worker) {
	var all []float64
	for _, w := range workers {
		all = append(all, w.latencies...)
		l.Errors += w.errors
		if w.last != nil {
			l.LastError = w.last.Error()
		}
	}
	l.Errors += l.Requests - len(all) // that nobody could send
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	l.P50, l.P99, l.P999 = quantile(all, 0.5), quantile(all, 0.99), quantile(all, 0.999)
}

// search looks for the highest rate that a server keeps up with. A rate counts as too high when it
// has failed twice. The search raises the rate by half until two rates after each other are too
// high, since one alone may be the machine's fault, and then halves the interval above the last good
// one until it is 5 per cent of the rate.
type search struct {
	low, high float64 // requests a second: known to be good, and too high; high is 0 at first
	raised    float64 // the rate that is tried as long as high is 0
	tooHigh   int     // how many rates since the last good one were too high
	failed    bool    // the rate that is tried has failed once
}

func newSearch() *search { return &search{raised: 500} }

func (s *search) rate() float64 {
	if s.high == 0 {
		return s.raised
	}
	return (s.low + s.high) / 2
}

// done reports whether the rate is known to 5 per cent, or to be below 10 a second.
func (s *search) done() bool { return s.high > 0 && s.high-s.low <= max(0.05*s.high, 10) }

func (s *search) observe(l Load) {
	rate, passes := s.rate(), l.passes()
	if !passes && !s.failed {
		s.failed = true
		return
	}
	s.failed = false
	switch {
	case passes:
		s.low, s.tooHigh = rate, 0
	case s.high > 0:
		s.high = rate
		return
	default:
		s.tooHigh++
	}
	if s.high > 0 {
		return
	}
	if s.raised *= 1.5; s.tooHigh == 2 {
		s.high = s.raised / 1.5 / 1.5
	}
}

// LoadRow is what load straight at one server has shown.
type LoadRow struct {
	Server string
	Limit  Spread // the highest rates that it kept up with, one of each search
	Half   Load   // at half of their median
}

// measureLoad searches the highest rates of both servers, taking turns, some times over, and then
// sends half of that for a time.
func measureLoad(
	ctx context.Context, targets []target, pids map[string]int, review []byte, searches int, step, soak time.Duration, progress io.Writer,
) ([]LoadRow, error) {
	limits := make([][]float64, len(targets))
	for range searches {
		searching := make([]*search, len(targets))
		for i := range searching {
			searching[i] = newSearch()
		}
		for slices.ContainsFunc(searching, func(s *search) bool { return !s.done() }) {
			for i, t := range targets {
				s := searching[i]
				if s.done() {
					continue
				}
				l, err := attack(ctx, t, pids[t.name], review, s.rate(), step)
				if err != nil {
					return nil, err
				}
				fmt.Fprintf(progress, "bench: %s: %.0f/s: p50 %.2f ms, p99 %.2f ms, %d errors %s, CPU %.3f ms, of the generator %.3f ms\n",
					t.name, l.Rate, l.P50, l.P99, l.Errors, l.LastError, l.CPU, l.Generator)
				s.observe(l)
			}
		}
		for i := range searching {
			limits[i] = append(limits[i], searching[i].low)
		}
	}
	var rows []LoadRow
	for i, t := range targets {
		row := LoadRow{Server: t.name, Limit: spreadOf(limits[i])}
		var err error
		if row.Half, err = attack(ctx, t, pids[t.name], review, row.Limit.Median/2, soak); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

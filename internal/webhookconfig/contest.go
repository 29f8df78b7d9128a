package webhookconfig

import "time"

const (
	// freeCorrections is how many corrections within quiet are nobody's fight: an operator
	// tries something out, or two tools are being rolled out.
	freeCorrections = 3
	// quiet is how long nobody may interfere before a fight is over.
	quiet = 10 * time.Minute
	// firstWait doubles up to longestWait, which is short: a configuration that is wrong
	// may have Pods rejected.
	firstWait   = time.Second
	longestWait = time.Minute
	// maxCorrections is how many corrections a fight has, some twelve minutes of it, and pause how
	// long nothing is corrected after that.
	maxCorrections = 20
	pause          = time.Hour
)

// contest distinguishes a fight over an object from a single edit. In a fight, corrections are
// spread out.
type contest struct {
	corrections int
	last        time.Time
}

// contested reports whether somebody keeps undoing what is written.
func (c *contest) contested(now time.Time) bool {
	return c.corrections > freeCorrections && now.Sub(c.last) < quiet
}

// wait returns how long a correction has to wait.
func (c *contest) wait(now time.Time) time.Duration {
	if now.Sub(c.last) >= quiet && c.stopped(now) == 0 {
		c.corrections = 0
	}
	if c.corrections < freeCorrections {
		return 0
	}
	wait := min(firstWait<<min(c.corrections-freeCorrections, 16), longestWait)
	return max(0, wait-now.Sub(c.last))
}

// stopped returns how long nothing may be corrected any more; 0 if the fight has not been given up.
func (c *contest) stopped(now time.Time) time.Duration {
	if c.corrections < maxCorrections {
		return 0
	}
	return max(0, pause-now.Sub(c.last))
}

// corrected counts a correction.
func (c *contest) corrected(now time.Time) { c.corrections, c.last = c.corrections+1, now }

package live

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/internal/human"
)

// Progress says on standard error how far a command is that takes long. It is silent for the first
// second, so that what is fast prints nothing.
type Progress struct {
	out      io.Writer
	terminal bool

	mu        sync.Mutex
	what      string
	n         int64
	next      time.Time // when to say something
	isWritten bool      // something is in the line
}

// NewProgress returns a Progress that writes to standard error. what is what is counted: "Pods read".
func NewProgress(s cli.Streams, what string) *Progress {
	return &Progress{out: s.ErrOut, terminal: s.ErrTerminal, what: what, next: time.Now().Add(time.Second)}
}

// Add counts more.
func (p *Progress) Add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n += n
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	text := human.Count(p.n) + " " + p.what
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%s ...", text)
		p.next, p.isWritten = now.Add(100*time.Millisecond), true
		return
	}
	fmt.Fprintln(p.out, text)
	p.next = now.Add(5 * time.Second)
}

// Done removes what is left on the terminal.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isWritten {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.isWritten = false
	}
}

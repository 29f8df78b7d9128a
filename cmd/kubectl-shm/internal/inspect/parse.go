package inspect

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Usage is how full a file system is.
type Usage struct {
	// Type is the file system's, such as "tmpfs"; empty if the image cannot tell.
	Type       string
	Size, Used sizing.Bytes
	// Inodes are the files and folders that are there, without the root folder, and MaxInodes how many
	// there can be; 0 if the file system does not count them.
	Inodes, MaxInodes int64
}

// Memory is what a container's memory cgroup is charged for.
type Memory struct {
	// Used cannot be reclaimed: tmpfs pages, kernel memory and the processes' own, without the page
	// cache of files on disks.
	Used sizing.Bytes
	// Limit is the cgroup's; 0 for none.
	Limit sizing.Bytes
}

// Reading is what one run of the script in a container says.
type Reading struct {
	// Usage has an entry for each path that was asked about; nil for one that is not there.
	Usage []*Usage
	// Memory is nil if the container does not see its cgroup.
	Memory *Memory
}

// Pattern is what is known about the files whose names differ only in what a program made up.
type Pattern struct {
	// Name has a * for each such part; empty stands for all files beyond the first MaxPatterns.
	Name string
	// Files counts them all, and Empty those of no byte.
	Files, Empty int64
	// Content is the sum of their sizes, Pages what they occupy, and Largest the largest size.
	Content, Pages, Largest sizing.Bytes
	// Oldest, Newest and Written are ages: of the file that was modified first and last, and of the last
	// one that is not empty; Written is negative if all are empty.
	Oldest, Newest, Written time.Duration
}

// Younger is how many files, and bytes of pages, were modified less than Age ago.
type Younger struct {
	Age   time.Duration
	Files int64
	Pages sizing.Bytes
}

// Listing is what is in a volume.
type Listing struct {
	// Patterns has the pattern first that occupies most, at most MaxPatterns and one more.
	Patterns []Pattern
	// Younger has ages that grow, from a minute to a week.
	Younger []Younger
	// Missing are the programs without which the image cannot list anything; then all else is empty.
	Missing []string
}

// MaxPatterns bounds how many patterns of names a container distinguishes.
const MaxPatterns = 200

// errNoAnswer means that the script did not start or did not finish.
var errNoAnswer = errors.New("the script did not answer")

// banner is what both scripts print first. Without it no shell ran them.
const banner = "shm 1"

// words returns the lines of an answer, without its banner, in words.
func words(answer string) ([][]string, error) {
	first, rest, _ := strings.Cut(answer, "\n")
	if strings.TrimSpace(first) != banner {
		return nil, errNoAnswer
	}
	var out [][]string
	for line := range strings.Lines(rest) {
		if fields := strings.Fields(line); len(fields) > 0 {
			out = append(out, fields)
		}
	}
	return out, nil
}

// parseUsage reads the answer of usage.sh about so many paths.
func parseUsage(answer string, paths int) (Reading, error) {
	lines, err := words(answer)
	if err != nil {
		return Reading{}, err
	}
	r := Reading{Usage: make([]*Usage, paths)}
	answered := 0
	for _, fields := range lines {
		if fields[0] == "memory" {
			r.Memory = parseMemory(fields[1:])
			continue
		}
		i, err := index(fields, paths)
		if err != nil {
			return Reading{}, err
		}
		switch fields[0] {
		case "none":
		case "stat":
			r.Usage[i], err = parseStat(fields[2:])
		case "df":
			r.Usage[i], err = parseDf(fields[2:])
		case "inodes":
			if err := addInodes(r.Usage[i], fields[2:]); err != nil {
				return Reading{}, err
			}
			continue
		default:
			return Reading{}, unexpected(fields)
		}
		if err != nil {
			return Reading{}, err
		}
		answered++
	}
	if answered != paths {
		return Reading{}, errNoAnswer
	}
	return r, nil
}

func index(fields []string, paths int) (int, error) {
	if len(fields) < 2 {
		return 0, unexpected(fields)
	}
	i, err := strconv.Atoi(fields[1])
	if err != nil || i < 0 || i >= paths {
		return 0, unexpected(fields)
	}
	return i, nil
}

// parseStat reads type, block size, blocks, free blocks, inodes and free inodes.
func parseStat(fields []string) (*Usage, error) {
	if len(fields) < 6 {
		return nil, unexpected(fields)
	}
	n, err := numbers(fields[len(fields)-5:])
	if err != nil {
		return nil, err
	}
	block := sizing.Bytes(n[0])
	return &Usage{
		Type: strings.Join(fields[:len(fields)-5], " "),
		Size: block.Times(n[1]), Used: block.Times(max(0, n[1]-n[2])),
		Inodes: max(0, n[3]-n[4]-1), MaxInodes: n[3],
	}, nil
}

// parseDf reads a line of df -P -k: file system, blocks, used, available, capacity, mount point.
func parseDf(fields []string) (*Usage, error) {
	if len(fields) < 6 {
		return nil, unexpected(fields)
	}
	n, err := numbers(fields[1:3])
	if err != nil {
		return nil, err
	}
	return &Usage{Size: sizing.KiB.Times(n[0]), Used: sizing.KiB.Times(n[1])}, nil
}

// addInodes reads a line of df -P -i.
func addInodes(u *Usage, fields []string) error {
	if u == nil || len(fields) < 6 {
		return unexpected(fields)
	}
	n, err := numbers(fields[1:3])
	if err != nil {
		return err
	}
	u.MaxInodes, u.Inodes = n[0], max(0, n[1]-1)
	return nil
}

// parseMemory reads what is charged, the limit and the page cache of files; nil if it cannot.
func parseMemory(fields []string) *Memory {
	if len(fields) != 3 {
		return nil
	}
	// On cgroup v1 no limit is the largest number of whole pages.
	const unlimited = math.MaxInt64 &^ 0xfffff
	limit := fields[1]
	if limit == "max" {
		limit = "0"
	}
	n, err := numbers([]string{fields[0], limit, fields[2]})
	if err != nil {
		return nil
	}
	m := Memory{Used: sizing.Bytes(n[0]).Minus(sizing.Bytes(n[2])), Limit: sizing.Bytes(n[1])}
	if n[1] >= unlimited {
		m.Limit = 0
	}
	return &m
}

// parseFiles reads the answer of files.sh.
func parseFiles(answer string) (Listing, error) {
	lines, err := words(answer)
	if err != nil {
		return Listing{}, err
	}
	var l Listing
	for _, fields := range lines {
		switch {
		case fields[0] == "missing":
			l.Missing = fields[1:]
			return l, nil
		case fields[0] == "end":
			slices.SortStableFunc(l.Patterns, func(a, b Pattern) int { return -compare(a, b) })
			return l, nil
		case fields[0] == "younger" && len(fields) == 4:
			n, err := numbers(fields[1:])
			if err != nil {
				return Listing{}, err
			}
			l.Younger = append(l.Younger, Younger{Age: seconds(n[0]), Files: n[1], Pages: blocks.Times(n[2])})
		case fields[0] == "files" && len(fields) >= 10:
			p, err := parsePattern(fields[1:])
			if err != nil {
				return Listing{}, err
			}
			l.Patterns = append(l.Patterns, p)
		default:
			return Listing{}, unexpected(fields)
		}
		if len(l.Patterns) > MaxPatterns+1 || len(l.Younger) > 32 {
			return Listing{}, unexpected(fields)
		}
	}
	return Listing{}, errNoAnswer
}

// blocks is the unit of what stat says a file occupies.
const blocks sizing.Bytes = 512

func parsePattern(fields []string) (Pattern, error) {
	ages := fields[5:8]
	neverWritten := ages[2] == "-1"
	if neverWritten {
		ages = []string{ages[0], ages[1], "0"}
	}
	n, err := numbers(slices.Concat(fields[:5], ages))
	if err != nil {
		return Pattern{}, err
	}
	p := Pattern{
		Name: strings.Join(fields[8:], " "), Files: n[0], Empty: n[1],
		Content: sizing.Bytes(n[2]), Pages: blocks.Times(n[3]), Largest: sizing.Bytes(n[4]),
		Oldest: seconds(n[5]), Newest: seconds(n[6]), Written: seconds(n[7]),
	}
	if neverWritten {
		p.Written = -1
	}
	if p.Name == "/" {
		p.Name = ""
	}
	return p, nil
}

// compare orders patterns by what they occupy, then by their files and names.
func compare(a, b Pattern) int {
	switch {
	case a.Pages != b.Pages:
		return int(max(-1, min(1, a.Pages-b.Pages)))
	case a.Files != b.Files:
		return int(max(-1, min(1, a.Files-b.Files)))
	default:
		return strings.Compare(b.Name, a.Name)
	}
}

// seconds returns a number of them, at most a century.
func seconds(n int64) time.Duration {
	const most = 100 * 365 * 24 * 3600
	return time.Duration(min(n, most)) * time.Second
}

// numbers reads numbers that are not negative. A script prints none that needs an exponent.
func numbers(fields []string) ([]int64, error) {
	out := make([]int64, len(fields))
	for i, field := range fields {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil && errors.Is(err, strconv.ErrRange) && !strings.HasPrefix(field, "-") {
			n, err = math.MaxInt64, nil
		}
		if err != nil || n < 0 {
			return nil, unexpected(fields)
		}
		out[i] = n
	}
	return out, nil
}

func unexpected(fields []string) error {
	return fmt.Errorf("unexpected answer %s", human.Quote(strings.Join(fields, " "), 100))
}

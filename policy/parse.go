package policy

import (
	"errors"
	"regexp"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Each pattern is the one of the CEL rule on the field, so that both accept the same texts.
// All but the first are also those of the override annotations.
var (
	mountPathPattern   = regexp.MustCompile(`^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$`)
	ratePattern        = regexp.MustCompile(`^[0-9]{1,9}([.][0-9]{1,9})?$`)
	durationPattern    = regexp.MustCompile(`^([0-9]{1,6}([.][0-9]{1,9})?(ms|s|m|h))+$`)
	probabilityPattern = regexp.MustCompile(`^[0-9]{1,2}([.][0-9]{1,15})?([eE]-?[0-9]{1,2})?$`)
)

// parseRate reads a number of files a minute.
func parseRate(text string) (float64, error) {
	rate, err := strconv.ParseFloat(text, 64)
	if err != nil || !ratePattern.MatchString(text) || rate <= 0 {
		return 0, errors.New(`must be a positive decimal number of files a minute, such as "18" or "0.5"`)
	}
	return rate, nil
}

// parseRetention reads a positive duration.
func parseRetention(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || !durationPattern.MatchString(text) || d <= 0 {
		return 0, errors.New("must be a positive duration in h, m, s or ms, such as 168h: a day is 24h")
	}
	return d, nil
}

// parseInterval reads a duration that may be zero.
func parseInterval(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || !durationPattern.MatchString(text) {
		return 0, errors.New("must be a duration in h, m, s or ms, such as 5m: a day is 24h")
	}
	return d, nil
}

// parseProbability reads an overflow probability.
func parseProbability(text string) (float64, error) {
	p, err := strconv.ParseFloat(text, 64)
	if err != nil || !probabilityPattern.MatchString(text) || p < 1e-12 || p > 0.1 {
		return 0, errors.New(`must be a probability from 1e-12 to 0.1, such as "1e-6"`)
	}
	return p, nil
}

// fileSizeWithin returns a file size that is positive and at most 1Pi.
func fileSizeWithin(q resource.Quantity) (sizing.Bytes, error) {
	if q.Sign() <= 0 || q.Cmp(*resource.NewQuantity(MaxQuantity, resource.BinarySI)) > 0 {
		return 1, errors.New("must be greater than 0 and at most 1Pi, such as 1500 or 16Ki")
	}
	return sizing.BytesOf(q), nil
}

package lanes

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that reads and prints as Go writes it: 2s, 30m, 1h30m.
type Duration time.Duration

// UnmarshalText reads "90s"; a bare number is refused, since it doesn't say of what.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration; write it as 90s, 30m or 1h30m", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText prints the duration without the zero units that Go appends: 30m, not 30m0s.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String returns the shortest spelling: 30m, not 30m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// D returns the plain time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// Bytes is a size that reads and prints in binary units: 512Mi, 2Gi. A bare number is bytes.
type Bytes int64

var byteUnits = []struct {
	suffix string
	size   int64
}{{"Ti", 1 << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}}

// UnmarshalText reads 2Gi, 512Mi, 64Ki or a bare number of bytes.
func (b *Bytes) UnmarshalText(text []byte) error {
	s, unit := strings.TrimSpace(string(text)), int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = rest, u.size
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("%q is not a size; write it as 512Mi or 2Gi", text)
	}
	*b = Bytes(n * unit)
	return nil
}

// MarshalText prints the largest unit that leaves no remainder.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String prints the largest unit that leaves no remainder: 512Mi.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

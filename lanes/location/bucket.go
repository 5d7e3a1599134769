package location

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// naming is how a storage's buckets are called. It has what no server of that kind takes, and leaves to the storage
// what one alone reserves.
type naming struct {
	letters *regexp.Regexp
	says    string // which those are
	most    int    // characters of a name
	each    int    // characters of what is between two dots
	banned  []string
	address bool // a name mustn't look like an IPv4 address
}

// leastBucket is how many characters every bucket's name has.
const leastBucket = 3

// namings are the storages' own rules:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html,
// https://cloud.google.com/storage/docs/buckets#naming and
// https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
var namings = map[string]naming{
	"s3": {
		letters: regexp.MustCompile(`^[a-z0-9.-]*$`), says: "a-z 0-9 . -", most: 63, each: 63,
		banned: []string{"..", ".-", "-."}, address: true,
	},
	"gs": {
		letters: regexp.MustCompile(`^[a-z0-9._-]*$`), says: "a-z 0-9 . _ -", most: 222, each: 63,
		banned: []string{".."}, address: true,
	},
	"azblob": {
		letters: regexp.MustCompile(`^[a-z0-9-]*$`), says: "a-z 0-9 -", most: 63, each: 63, banned: []string{"--"},
	},
}

var (
	endsWell = regexp.MustCompile(`^[a-z0-9](.*[a-z0-9])?$`)
	ipv4Form = regexp.MustCompile(`^[0-9]+(\.[0-9]+){3}$`)
)

// wrong says what keeps a bucket from being called so; "" when nothing does.
func (n naming) wrong(name string) string {
	switch {
	case !n.letters.MatchString(name):
		return "has only " + n.says
	case len(name) < leastBucket || len(name) > n.most:
		return fmt.Sprintf("has %d to %d characters", leastBucket, n.most)
	case !endsWell.MatchString(name):
		return "begins and ends with a letter or a digit"
	case n.address && ipv4Form.MatchString(name):
		return "doesn't look like an IPv4 address"
	}
	for _, s := range n.banned {
		if strings.Contains(name, s) {
			return "has no " + s
		}
	}
	for part := range strings.SplitSeq(name, ".") {
		if len(part) > n.each {
			return fmt.Sprintf("has at most %d characters between two dots", n.each)
		}
	}
	return ""
}

func bucket(u *url.URL, s scheme) (string, error) {
	n := namings[s.name]
	wrong := n.wrong(u.Host)
	switch lower := strings.ToLower(u.Host); {
	case wrong == "":
		return u.Host, nil
	case n.wrong(lower) == "":
		return "", fmt.Errorf("write the bucket in lower case, %s://%s: no bucket has another name", s.name, lower)
	case strings.Contains(u.Host, ":"):
		return "", fmt.Errorf("write %s", s.key)
	default:
		return "", fmt.Errorf("write %s: a bucket's name %s", s.key, wrong)
	}
}

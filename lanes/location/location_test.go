package location_test

import (
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/location"
)

// What a policy may list is what a worker can go by: every job's URL below the prefix is read the same way, in each of
// its spellings.
func TestPrefixAndJobAreReadAlike(t *testing.T) {
	for _, c := range []struct{ prefix, job string }{
		{"s3://media-in/", "s3://media-in/a.mp4"},
		{"S3://media-in/raw/", "s3://media-in/raw/a.mp4"},
		{"s3://media-in/raw/", "S3://media-in/raw/a.mp4"},
		{"gs://media_in.example.com/", "gs://media_in.example.com/a.mp4"},
		{"azblob://media-in/raw/", "AZBLOB://media-in/raw/a.mp4"},
		{"FILE:///data/", "file:///data/a.mp4"},
		{"file:///data/", "File:///data/a.mp4"},
		{"file:///", "file:///a.mp4"},
		{"file:///a%20b/", "file:///a b/c.mp4"},
		{"file:///a b/", "file:///a%20b/c.mp4"},
		{"https://CDN.example.com/pub/", "https://cdn.example.com/pub/a.mp4"},
		{"HTTPS://cdn.example.com./pub/", "https://CDN.EXAMPLE.COM:443/pub/a.mp4"},
		{"http://cdn.example.com:80/", "http://cdn.example.com/a.mp4"},
		{"http://[::1]:8080/", "http://[::1]:8080/a.mp4"},
		{"https://cdn.example.com/", "https://cdn.example.com/a.mp4?signature=x"},
	} {
		prefix, err := location.ParsePrefix(c.prefix)
		if err != nil {
			t.Errorf("%s: %v", c.prefix, err)
			continue
		}
		job, err := location.Parse(c.job)
		if err != nil || !job.Below(prefix) {
			t.Errorf("%s isn't below %s: %+v, %+v, %v", c.job, c.prefix, job, prefix, err)
		}
	}
}

// A prefix that no job's URL could be below is refused where it is written, and not passed over where it is used.
func TestPrefixesThatNoJobCouldUse(t *testing.T) {
	for prefix, says := range map[string]string{
		"s3://Media-In/":            "write the bucket in lower case, s3://media-in",
		"s3://media_in/":            "write s3://bucket/key: a bucket's name has only a-z 0-9 . -",
		"s3://MEDIA_IN/":            "a bucket's name has only a-z 0-9 . -",
		"s3://ab/":                  "a bucket's name has 3 to 63 characters",
		"s3://" + long(64) + "/":    "a bucket's name has 3 to 63 characters",
		"s3://x..y/":                "a bucket's name has no ..",
		"s3://x.-y/":                "a bucket's name has no .-",
		"s3://x-.y/":                "a bucket's name has no -.",
		"s3://-xy/":                 "begins and ends with a letter or a digit",
		"s3://xy./":                 "begins and ends with a letter or a digit",
		"s3://192.168.0.1/":         "doesn't look like an IPv4 address",
		"gs://in/":                  "a bucket's name has 3 to 222 characters",
		"gs://_in/":                 "begins and ends with a letter or a digit",
		"gs://x..y/":                "a bucket's name has no ..",
		"gs://10.0.0.1/":            "doesn't look like an IPv4 address",
		"gs://a." + long(64) + "/":  "at most 63 characters between two dots",
		"azblob://in/":              "a bucket's name has 3 to 63 characters",
		"azblob://media--in/":       "a bucket's name has no --",
		"azblob://media-in-/":       "begins and ends with a letter or a digit",
		"s3://media-in:9000/":       "write s3://bucket/key",
		"s3:media-in/":              "names no bucket",
		"azblob://media.in/":        "a bucket's name has only a-z 0-9 -",
		"s3://media-in//":           "empty part",
		"s3://media-in/a%2Fb/":      "percent-encoded",
		"file:///data/a%2f/":        "must not contain",
		`file:///data/a\b/`:         "no backslash",
		"file:///data/%01/":         "control characters",
		"file:///data/.siren/":      "belongs to Siren",
		"file:///data/?":            "no query",
		"file:///data/#":            "no query, fragment",
		"file://localhost/data/":    "write file:///absolute/dir/",
		"https://host:x/":           "is not a URL",
		"https://host:0/":           "a port is a number from 1 to 65535",
		"https://host:65536/":       "a port is a number from 1 to 65535",
		"http://2130706433/":        "as four decimal numbers",
		"http://0x7f000001/":        "as four decimal numbers",
		"http://017700000001/":      "as four decimal numbers",
		"http://127.1/":             "as four decimal numbers",
		"http://0177.0.0.1/":        "as four decimal numbers",
		"http://0x7F.0.0.0x1./":     "as four decimal numbers",
		"http://1.2.3.4.5/":         "as four decimal numbers",
		"http://a..example/":        "no host has such a name",
		"http://.example/":          "no host has such a name",
		"http://" + long(64) + "/":  "no host has such a name",
		"gopher://host/":            "the scheme must be ",
		"file:///" + longName + "/": "longer than",
	} {
		l, err := location.ParsePrefix(prefix)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40s is %+v: %v, want %q", prefix, l, err, says)
		}
	}
}

var longName = long(location.MaxLength)

func long(n int) string { return strings.Repeat("x", n) }

// What a bucket or a host may be called isn't refused.
func TestNames(t *testing.T) {
	for _, prefix := range []string{
		"s3://abc/", "s3://1.2.3.4.5/", "s3://a--b/", "s3://" + long(63) + "/", "s3://media--use1-az4--x-s3/",
		"gs://a.-_b/", "gs://" + long(63) + "." + long(63) + "/", "azblob://a-b/", "azblob://123/",
		"http://1.2.3.4/", "http://[2a00:1450::1]/", "http://3.example/", "http://0x7f.example/",
		"http://cdn_1.example:1/", "http://bücher.example/",
	} {
		if _, err := location.ParsePrefix(prefix); err != nil {
			t.Error(err)
		}
	}
}

func TestWritable(t *testing.T) {
	for raw, want := range map[string]bool{
		"file:///a": true, "s3://inn/a": true, "gs://inn/a": true, "azblob://inn/a": true, "http://h/a": false,
		"https://h/a": false,
	} {
		if l, err := location.Parse(raw); err != nil || l.Writable() != want {
			t.Errorf("%s: %+v, %v", raw, l, err)
		}
	}
}

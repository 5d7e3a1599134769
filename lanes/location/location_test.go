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
		"s3://media_in/":            "a bucket's name has at most 63 of",
		"s3://media-in:9000/":       "write s3://bucket/key",
		"s3:media-in/":              "names no bucket",
		"azblob://media.in/":        "a bucket's name has at most 63 of a-z 0-9 -",
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
		"gopher://host/":            "the scheme must be ",
		"file:///" + longName + "/": "longer than",
	} {
		l, err := location.ParsePrefix(prefix)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40s is %+v: %v, want %q", prefix, l, err, says)
		}
	}
}

var longName = strings.Repeat("x", location.MaxLength)

func TestWritable(t *testing.T) {
	for raw, want := range map[string]bool{
		"file:///a": true, "s3://in/a": true, "gs://in/a": true, "azblob://in/a": true, "http://h/a": false,
		"https://h/a": false,
	} {
		if l, err := location.Parse(raw); err != nil || l.Writable() != want {
			t.Errorf("%s: %+v, %v", raw, l, err)
		}
	}
}

package bucket

import (
	"log/slog"
	"testing"
)

func TestBucketParameters(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		query     string
		env       func(string) string
		want      string
		pathStyle bool
	}{
		{"", env(), "", false},
		{"", env("AWS_ENDPOINT_URL", "http://minio:9000"), "region=us-east-1", true},
		{"", env("AWS_ENDPOINT_URL_S3", "http://minio:9000", "AWS_REGION", "eu-west-1"), "", true},
		{"endpoint=http://ceph&use_path_style=false&region=x", env(), "endpoint=http%3A%2F%2Fceph&region=x", false},
	} {
		b, err := simpleStorage(c.query, c.env, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if got := b.params.Encode(); got != c.want || b.pathStyle != c.pathStyle {
			t.Errorf("%q: %q, path style %v; want %q, %v", c.query, got, b.pathStyle, c.want, c.pathStyle)
		}
	}
	for _, bad := range []string{"use_path_style=perhaps", "colour=red", "%zz"} {
		if _, err := simpleStorage(bad, env(), slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

package redisurl

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	tests := map[string]URL{
		"redis://localhost":               {Addrs: []string{"localhost:6379"}},
		"redis://:p%40ss@10.0.0.1:7000/3": {Addrs: []string{"10.0.0.1:7000"}, Password: "p@ss", DB: 3},
		"rediss://siren:secret@redis.example/": {
			Addrs: []string{"redis.example:6379"}, User: "siren",
			Password: "secret", Secure: true,
		},
		"redis://u:p@a,b:1,[::1]/2": {
			Addrs: []string{"a:6379", "b:1", "[::1]:6379"}, User: "u",
			Password: "p", DB: 2,
		},
		"redis://[::1]:7000?db=2": {Addrs: []string{"[::1]:7000"}, DB: 2},
		"redis+sentinel://u:p@s1:26380,s2/main?db=1&sentinelPassword=sp": {
			Addrs: []string{"s1:26380", "s2:26379"}, Master: "main", User: "u", Password: "p", DB: 1,
			SentinelPassword: "sp",
		},
		"rediss+sentinel://s1/main?sentinelUser=su": {
			Addrs: []string{"s1:26379"}, Master: "main", Secure: true,
			SentinelUser: "su",
		},
	}
	for raw, want := range tests {
		got, err := Parse(raw)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v, %v; want\n%+v", raw, got, err, want)
		}
	}
}

func TestBadURLsDontLeak(t *testing.T) {
	for _, raw := range []string{
		"", "localhost:6379", "amqp://u:secret@host", "redis://", "redis://u:secret@", "redis://u:secret@host:port",
		"redis://u:sec/ret@host",
		"redis://u:secret@host/secret", "redis://u:secret@host/-1", "redis://u:%zzsecret@host", "redis://u:secret@a,,b",
		"redis://u:secret@host?secret=1",
		"redis+sentinel://u:secret@a,b", "redis+sentinel://u:secret@a,b/", "redis+sentinel://u:secret@a/m?db=secret",
		"redis+sentinel://u:secret@a/m/1", "redis://u:secret@host:99999", "redis://u:secret@host?db=%zz",
	} {
		switch s, err := Parse(raw); {
		case err == nil:
			t.Errorf("%q was taken: %+v", raw, s)
		case strings.Contains(err.Error(), "sec"+"ret"), strings.Contains(err.Error(), "sec/"):
			t.Errorf("%q: the error leaks it: %v", raw, err)
		}
	}
}

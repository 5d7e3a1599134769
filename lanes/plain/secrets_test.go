package plain

import (
	"strings"
	"testing"
)

func TestHideSecrets(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"file:///media/a b.mp4":   "file:///media/a b.mp4",
		"s3://bucket/k@2x.png":    "s3://bucket/k@2x.png",
		"https://h:8443/a@b/c":    "https://h:8443/a@b/c",
		"no URL: a=b?c=d":         "no URL: a=b?c=d",
		"https://me@h/a":          "https://me@h/a",
		"https://me:secret@h/a":   "https://me:…@h/a",
		"https://:secret@h/a":     "https://:…@h/a",
		"HTTPS://me:s:c@h@h2/a":   "HTTPS://me:…@h2/a",
		"https://me:se/cret@h/a":  "https://me:…@h/a",
		"https://h/a?secret":      "https://h/a?…",
		"https://h/a?x=secret":    "https://h/a?x=…",
		"https://h?x=secret":      "https://h?x=…",
		"https://h/a#t=secret":    "https://h/a#…",
		"https://h/a?x=se?cret#s": "https://h/a?x=…#…",
		"https://h/a?X-Amz-Expires=900&X-Amz-Signature=secret&x=1;y=secret&&z": "" +
			"https://h/a?X-Amz-Expires=…&X-Amz-Signature=…&x=…;y=…&&…",
		"//me:secret@h/a?x=secret":          "//me:…@h/a?x=…",
		"https:me:secret@h/a?x=secret":      "https:me:…@h/a?x=…",
		"https://h/a.mp4;sig=secret":        "https://h/a.mp4;sig=…",
		"https://h/a;b=secret/c":            "https://h/a;b=…/c",
		"https://h/a%3Fsig=secret":          "https://h/a%3Fsig=…",
		"https://h/a%3fsig=secret?x=secret": "https://h/a%3fsig=…&x=…",
		"file:///media/a%3Fb;c=d.mp4":       "file:///media/a%3Fb;c=d.mp4",
		"https://h/a?sig=secret cret":       "https://h/a?sig=…",
		"redis+sentinel://:secret@h1:26379,h2:26379/main?sentinelPassword=secret": "" +
			"redis+sentinel://:…@h1:26379,h2:26379/main?sentinelPassword=…",
		"amqp://u:secret@h1:1,h2/v":                            "amqp://u:…@h1:1,h2/v",
		"amqp://u:secret@h1/v,amqp://u:secret@h2/v?x=secret":   "amqp://u:…@h1/v,amqp://u:…@h2/v?x=…",
		"amqp://h1/v,amqps://u:secret@h2,\namqp://:secret@h3/": "amqp://h1/v,amqps://u:…@h2,\namqp://:…@h3/",
		"amqp://h1:1,h2:2,amqp://u:secret@h3":                  "amqp://h1:1,h2:2,amqp://u:…@h3",
		"at amqp://u:secret@h1?x=secret,amqp://u:secret@h2 it": "at amqp://u:…@h1?x=…,amqp://u:…@h2 it",
		"amqp://u:sec,amqp://ret@h":                            "amqp://u:…@h",
		`{"a":"amqp:\/\/u:secret@h1\/,amqp:\/\/u:secret@h2"}`:  `{"a":"amqp:\/\/u:…@h1\/,amqp:\/\/u:…@h2"}`,
		"fetch input https://h/a?sig=secret: no such host": "fetch input https://h/a?sig=… " +
			"no such host",
		`{"input":"https://me:secret@h/a?sig=secret","id":"a"}`:    `{"input":"https://me:…@h/a?sig=…","id":"a"}`,
		`{"input":"https:\/\/h\/a?sig=secret\u0026x=secret","id":`: `{"input":"https:\/\/h\/a?sig=…","id":`,
		`"error":"fetch \"https://h/a?sig=secret\" failed"`:        `"error":"fetch \"https://h/a?sig=…\" failed"`,
		"(https://h/a?sig=secret) and <http://me:secret@h>": "(https://h/a?sig=… and " +
			"<http://me:…@h>",
	} {
		got := HideSecrets(in)
		if got != want {
			t.Errorf("%q\n got %q\nwant %q", in, got, want)
		}
		if again := HideSecrets(got); again != got {
			t.Errorf("hidden twice: %q", again)
		}
	}
}

// Whatever a URL's query and password are, nothing of them is left.
func FuzzHideSecrets(f *testing.F) {
	f.Add("zqx")
	f.Add("a/b@c?d=e&f#g h\"i")
	f.Fuzz(func(t *testing.T, filler string) {
		const secret = "S3CR3T"
		if strings.ContainsAny(filler, "&;") { // these end a value, and what follows is a name
			return
		}
		if got := HideSecrets("https://h/a?sig=" + filler + secret + filler); strings.Contains(got, secret) {
			t.Errorf("query: %q", got)
		}
		if strings.ContainsAny(filler, "?#") {
			return
		}
		if got := HideSecrets("https://me:" + secret + filler + "@h/a"); strings.Contains(got, secret) {
			t.Errorf("password: %q", got)
		}
	})
}

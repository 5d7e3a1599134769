package show

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fruit is what the tests list.
type fruit struct {
	Name string `json:"name"`
	Note string `json:"note"`
}

func fruits(all []fruit) *Table {
	t := NewTable(Col("FRUIT"), Num("LETTERS").Wide(), Col("NOTE").Clipped(8))
	t.Empty = "no fruit"
	for _, f := range all {
		t.Add(f.Name, strings.Repeat("x", len(f.Name)), f.Note)
	}
	return t
}

// shown returns what a list command writes with these settings.
func shown(ctx context.Context, l Listing, look func() (any, *Table, error)) (out, said string, err error) {
	var b, e bytes.Buffer
	l.Kind = "fruit"
	err = l.Show(ctx, &b, &e, look)
	return b.String(), e.String(), err
}

func TestForms(t *testing.T) {
	all := []fruit{{"apple", "green & sour"}, {"fig", "-"}}
	for name, c := range map[string]struct {
		all  []fruit
		form Listing
		want string
		said string
	}{
		"table": {all, Listing{}, "FRUIT  NOTE\napple  green &…\nfig    -\n", ""},
		"wide": {
			all,
			Listing{Output: Output{"wide"}},
			"FRUIT  LETTERS  NOTE\napple    xxxxx  green & sour\nfig        xxx  -\n", "",
		},
		"no headers": {all, Listing{NoHeaders: true}, "apple  green &…\nfig    -\n", ""},
		"json": {
			all[:1],
			Listing{Output: Output{"json"}},
			"[\n  {\n    \"name\": \"apple\",\n    \"note\": \"green & sour\"\n  }\n]\n", "",
		},
		"yaml": {
			all,
			Listing{Output: Output{"yaml"}},
			"- name: apple\n  note: green & sour\n- name: fig\n  note: '-'\n", "",
		},
		"name":           {all, Listing{Output: Output{"name"}}, "fruit/apple\nfruit/fig\n", ""},
		"none":           {nil, Listing{}, "", "no fruit\n"},
		"none in JSON":   {nil, Listing{Output: Output{"json"}}, "[]\n", ""},
		"none, by name":  {nil, Listing{Output: Output{"name"}}, "", ""},
		"none, headless": {nil, Listing{NoHeaders: true}, "", "no fruit\n"},
	} {
		t.Run(name, func(t *testing.T) {
			out, said, err := shown(t.Context(), c.form, func() (any, *Table, error) {
				return c.all, fruits(c.all), nil
			})
			if out != c.want || said != c.said || err != nil {
				t.Errorf("%q, said %q, %v; want %q, said %q", out, said, err, c.want, c.said)
			}
		})
	}
}

// --watch looks again every second. A first look that fails ends it; a later one doesn't, and what it failed with is
// said once, until it is something else.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		failures := map[int]string{2: "away", 3: "away", 4: "gone", 6: "gone"}
		look := func() (any, *Table, error) {
			looks++
			if why := failures[looks]; why != "" {
				return nil, nil, errors.New(why)
			}
			f := []fruit{{"fig", strings.Repeat("!", looks)}}
			return f, fruits(f), nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond)
		defer cancel()
		out, said, err := shown(ctx, Listing{Output: Output{"yaml"}, Watching: true}, look)
		const want = "warning: away; retrying\nwarning: gone; retrying\nwarning: gone; retrying\n"
		if err != nil || out != "- name: fig\n  note: '!'\n---\n- name: fig\n  note: '!!!!!'\n" || said != want {
			t.Errorf("%q, said %q, %v", out, said, err)
		}
	})
	wrong := errors.New("wrong")
	if _, _, err := shown(t.Context(), Listing{Watching: true}, func() (any, *Table, error) {
		return nil, nil, wrong
	}); !errors.Is(err, wrong) {
		t.Error(err)
	}
}

func TestStream(t *testing.T) {
	for form, want := range map[string]string{
		"table": "FRUIT  NOTE\nfig    one\napple  three\nkiwi   four\n",
		"json": "{\"name\":\"fig\",\"note\":\"one\"}\n{\"name\":\"apple\",\"note\":\"three\"}\n" +
			"{\"name\":\"kiwi\",\"note\":\"four\"}\n",
		"yaml": "name: fig\nnote: one\n---\nname: apple\nnote: three\n---\nname: kiwi\nnote: four\n",
		"name": "fruit/fig\nfruit/apple\nfruit/kiwi\n",
	} {
		var b bytes.Buffer
		l := Listing{Kind: "fruit", Output: Output{form}}
		s := l.Stream(&b)
		for _, f := range []fruit{{"fig", "one"}, {"apple", "three"}, {"kiwi", "four"}} {
			if err := s.Add(f, fruits([]fruit{f})); err != nil {
				t.Fatal(err)
			}
		}
		if b.String() != want {
			t.Errorf("%s: %q, not %q", form, b.String(), want)
		}
	}
}

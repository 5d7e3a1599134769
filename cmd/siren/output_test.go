package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"
)

// fruit is what the tests list.
type fruit struct {
	Name string `json:"name"`
	Note string `json:"note"`
}

func fruits(all []fruit) *table {
	t := newTable(col("FRUIT"), num("LETTERS").wide(), col("NOTE").clipped(8))
	t.empty = "no fruit"
	for _, f := range all {
		t.add(f.Name, strings.Repeat("x", len(f.Name)), f.Note)
	}
	return t
}

// shown is what a list command with those flags writes.
func shown(t *testing.T, ctx context.Context, look func() (any, *table, error), args ...string) (out, said string, err error) {
	t.Helper()
	var b, e bytes.Buffer
	l := listing{kind: "fruit"}
	c := &cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true, RunE: func(c *cobra.Command, _ []string) error {
		return l.show(c.Context(), streams{out: &b, err: &e}, look)
	}}
	l.flags(c)
	c.SetArgs(args)
	err = c.ExecuteContext(ctx)
	return b.String(), e.String(), err
}

func TestForms(t *testing.T) {
	all := []fruit{{"apple", "green & sour"}, {"fig", "-"}}
	for name, c := range map[string]struct {
		all  []fruit
		args []string
		want string
		said string
	}{
		"table":          {all, nil, "FRUIT  NOTE\napple  green &…\nfig    -\n", ""},
		"wide":           {all, []string{"-o", "wide"}, "FRUIT  LETTERS  NOTE\napple    xxxxx  green & sour\nfig        xxx  -\n", ""},
		"no headers":     {all, []string{"--no-headers"}, "apple  green &…\nfig    -\n", ""},
		"json":           {all[:1], []string{"-o", "json"}, "[\n  {\n    \"name\": \"apple\",\n    \"note\": \"green & sour\"\n  }\n]\n", ""},
		"yaml":           {all, []string{"-o", "yaml"}, "- name: apple\n  note: green & sour\n- name: fig\n  note: '-'\n", ""},
		"name":           {all, []string{"-o", "name"}, "fruit/apple\nfruit/fig\n", ""},
		"none":           {nil, nil, "", "no fruit\n"},
		"none in JSON":   {nil, []string{"-o", "json"}, "[]\n", ""},
		"none, by name":  {nil, []string{"-o", "name"}, "", ""},
		"none, headless": {nil, []string{"--no-headers"}, "", "no fruit\n"},
	} {
		t.Run(name, func(t *testing.T) {
			out, said, err := shown(t, t.Context(), func() (any, *table, error) { return c.all, fruits(c.all), nil }, c.args...)
			if out != c.want || said != c.said || err != nil {
				t.Errorf("%q, said %q, %v; want %q, said %q", out, said, err, c.want, c.said)
			}
		})
	}
	_, _, err := shown(t, t.Context(), nil, "-o", "xml")
	if err == nil || !strings.Contains(err.Error(), "say table, wide, json, yaml or name") {
		t.Error(err)
	}
}

// --watch looks again every second. A first look that fails ends it; a later one doesn't.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		look := func() (any, *table, error) {
			looks++
			if looks == 2 {
				return nil, nil, errors.New("away")
			}
			f := []fruit{{"fig", strings.Repeat("!", looks)}}
			return f, fruits(f), nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		out, said, err := shown(t, ctx, look, "--watch", "-o", "yaml")
		if err != nil || out != "- name: fig\n  note: '!'\n---\n- name: fig\n  note: '!!!'\n" || said != "warning: away; trying again\n" {
			t.Errorf("%q, said %q, %v", out, said, err)
		}
	})
	wrong := errors.New("wrong")
	if _, _, err := shown(t, t.Context(), func() (any, *table, error) { return nil, nil, wrong }, "--watch"); !errors.Is(err, wrong) {
		t.Error(err)
	}
}

func TestStream(t *testing.T) {
	for form, want := range map[string]string{
		"table": "FRUIT  NOTE\nfig    one\napple  three\nkiwi   four\n",
		"json":  "{\"name\":\"fig\",\"note\":\"one\"}\n{\"name\":\"apple\",\"note\":\"three\"}\n{\"name\":\"kiwi\",\"note\":\"four\"}\n",
		"yaml":  "name: fig\nnote: one\n---\nname: apple\nnote: three\n---\nname: kiwi\nnote: four\n",
		"name":  "fruit/fig\nfruit/apple\nfruit/kiwi\n",
	} {
		var b bytes.Buffer
		l := listing{kind: "fruit", output: output{form}}
		s := l.stream(&b)
		for _, f := range []fruit{{"fig", "one"}, {"apple", "three"}, {"kiwi", "four"}} {
			must(t, s.add(f, fruits([]fruit{f})))
		}
		if b.String() != want {
			t.Errorf("%s: %q, not %q", form, b.String(), want)
		}
	}
}

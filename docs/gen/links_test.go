package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	codeBlock = regexp.MustCompile("(?s)```.*?```")
	heading   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	link      = regexp.MustCompile(`\]\(([^)\s#]*)(#[^)\s]*)?\)`)
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchorsOf returns the anchors that GitHub gives to a page's headings.
func anchorsOf(t *testing.T, page string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(string(text), ""), -1) {
		anchors["#"+strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return anchors
}

// Each link from page to page leads to a file, and to a heading in it.
func TestLinksLeadSomewhere(t *testing.T) {
	root := "../.."
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md", "charts/siren/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	links := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(codeBlock.ReplaceAllString(string(text), ""), -1) {
			target := page
			switch path, here := strings.CutPrefix(m[1], "https://github.com/polyglot-media/siren/blob/main/"); {
			case here:
				target = filepath.Join(root, path)
			case strings.Contains(m[1], ":"):
				continue
			case m[1] != "":
				target = filepath.Join(filepath.Dir(page), m[1])
			}
			links++
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			} else if m[2] != "" && strings.HasSuffix(target, ".md") && !anchorsOf(t, target)[m[2]] {
				t.Errorf("%s links to %s%s, and there is no such heading", page, m[1], m[2])
			}
		}
	}
	if links < 100 {
		t.Errorf("found only %d links", links)
	}
}

// Each alert's runbook_url leads to its section.
func TestAlertsAreInTheRunbook(t *testing.T) {
	alerts, err := os.ReadFile("../../" + chartDir + "/templates/_alerts.tpl")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`alert: (Siren[A-Za-z]+)`).FindAllStringSubmatch(string(alerts), -1)
	if len(names) < 10 {
		t.Fatalf("found %d alerts", len(names))
	}
	sections := anchorsOf(t, "../runbook.md")
	for _, n := range names {
		if !sections["#"+strings.ToLower(n[1])] {
			t.Errorf("docs/runbook.md has no section %s", n[1])
		}
	}
}

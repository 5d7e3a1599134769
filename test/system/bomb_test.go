package system_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// Pictures that take more memory than a slot has, in every shared slot: express jobs don't wait for them, the pictures'
// jobs end for what they are, and their worker lives on.
func TestMemoryBombsBesideExpress(t *testing.T) {
	s := newSite(t, `  - {name: general, lanes: [express, standard, bulk], slots: 2, shoulder: {express: 1},
     min: 1, max: 1, slot: {memory: 400Mi}}`)
	s.scaler()
	workers := fmt.Sprint(s.workers())
	var bomb bytes.Buffer // 128 million pixels in a file of half a megabyte
	s.must(png.Encode(&bomb, image.NewGray(image.Rect(0, 0, 16_000, 8_000))))
	picture, good := s.write("bomb.png", bomb.Bytes()), s.put("clip.mp4")
	var bombs, express []string
	for i := range 8 {
		bombs = append(bombs, s.enqueue("thumbnail", "--input", picture, "--output",
			s.output(fmt.Sprintf("b%d.jpg", i))))
	}
	for i := range 3 {
		express = append(express, s.enqueue("probe", "--label", "urgent=true", "--input", good,
			"--output", s.output(fmt.Sprintf("e%d.json", i))))
	}
	first := s.completed(express[0], 30*time.Second)
	for _, id := range express[1:] {
		s.completed(id, 30*time.Second)
	}
	var last job.Record
	for _, id := range bombs {
		r := s.record(id, "dead", time.Minute, func(r job.Record) bool { return r.State.Final() })
		if r.Reason != "over limit" {
			t.Errorf("a picture that doesn't fit ended as %s %q: %s", r.State, r.Reason, r.Error)
		}
		if r.EndedAt.After(last.EndedAt) {
			last = r
		}
	}
	s.buried = len(bombs)
	if first.EndedAt.After(last.EndedAt) {
		t.Errorf("the express job ended at %s, after all of the pictures at %s", first.EndedAt, last.EndedAt)
	}
	if now := fmt.Sprint(s.workers()); now != workers {
		t.Errorf("the worker is %s, and was %s", now, workers)
	}
}

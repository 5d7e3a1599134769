package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/media/recipe"
	"github.com/polyglot-media/siren/worker/sandbox"
	"github.com/polyglot-media/siren/worker/workertest"
)

// slowJob keeps ffmpeg busy for minutes.
func slowJob(b *bench) job.Job {
	return job.Job{
		ID: "slow", Kind: "transcode", Input: b.put("slow.mp4"), Output: b.output("slow.mp4"),
		Params: paramsJSON(`{"speed": "slow", "fps": 120}`),
	}
}

// ffmpegs returns the processes whose working folder is below scratch.
func ffmpegs(scratch string) []int {
	var pids []int
	list, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, cwd := range list {
		if dir, err := os.Readlink(cwd); err == nil && strings.HasPrefix(dir, scratch+"/") {
			pid, _ := strconv.Atoi(strings.Split(cwd, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// working waits until ffmpeg (not ffprobe) runs below scratch.
func working(t *testing.T, scratch string) int {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for _, pid := range ffmpegs(scratch) {
			if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && filepath.Base(exe) == "ffmpeg" {
				return pid
			}
		}
	}
	t.Fatal("ffmpeg didn't start")
	return 0
}

func gone(t *testing.T, scratch string, within time.Duration) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		left := ffmpegs(scratch)
		if len(left) == 0 {
			return
		}
		if time.Since(began) > within {
			t.Errorf("processes %v are still there after %s", left, within)
			return
		}
	}
}

// The limits are those of the running ffmpeg, not only of what started it.
func TestLimitsAreInForce(t *testing.T) {
	b := newBench(t)
	b.limits = work.Limits{Nice: 13, Memory: 1 << 30, Scratch: 64 << 20, MaxRuntime: 90 * time.Second, Threads: 2}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	end := make(chan error)
	go func() { _, err := b.runContext(ctx, b.task(slowJob(b))); end <- err }()
	pid := working(t, b.scratch)

	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	workertest.Must(t, err)
	fields := strings.Fields(string(stat)[strings.LastIndex(string(stat), ")")+2:])
	if group, session, nice := fields[2], fields[3], fields[16]; nice != "13" || group != strconv.Itoa(pid) {
		t.Errorf("nice %s in process group %s (pid %d), want 13 in its own", nice, group, pid)
	} else if own, _ := syscall.Getpgid(0); own == pid || session == group {
		t.Errorf("session %s: it must stay in the worker's session, nice acts only within one", session)
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	workertest.Must(t, err)
	for _, want := range []string{
		"Max address space 1073741824 1073741824", "Max file size 67108864 67108864", "Max cpu time 180 185",
		"Max core file size 0 0",
	} {
		if !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), want) {
			t.Errorf("%q isn't in\n%s", want, limits)
		}
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	workertest.Must(t, err)
	for _, name := range []string{"AWS_", "SIREN_", "SECRET"} {
		if strings.Contains(string(environ), name) {
			t.Errorf("ffmpeg inherited %s from the worker", name)
		}
	}
	info, err := os.Stat(filepath.Join(b.scratch, workertest.Names(t, b.scratch)[1]))
	workertest.Must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("scratch folder has mode %s", info.Mode())
	}
	cancel()
	<-end
}

// Cancelling ends the whole group soon, and the cause decides what the error means.
func TestCancel(t *testing.T) {
	stopped := work.Fail(work.Interrupted, errors.New("the worker stops"))
	late := work.Fail(work.TimedOut, errors.New("too slow"))
	for _, c := range []struct {
		name  string
		cause error
		want  work.ErrorKind
	}{
		{"plain", nil, work.Interrupted},
		{"with a cause", stopped, work.Interrupted},
		{"another cause", late, work.TimedOut},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			ctx, cancel := context.WithCancelCause(context.Background())
			end := make(chan error)
			go func() { _, err := b.runContext(ctx, b.task(slowJob(b))); end <- err }()
			working(t, b.scratch)
			began := time.Now()
			cancel(c.cause)
			err := <-end
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
			workertest.Expect(t, err, c.want, "")
			if c.cause != nil && !errors.Is(err, c.cause) {
				t.Errorf("the cause is lost: %v", err)
			}
			gone(t, b.scratch, 10*time.Millisecond)
			if left := workertest.Names(t, b.out); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

func TestMaxRuntime(t *testing.T) {
	b := newBench(t)
	// as a worker does
	within, stop := context.WithTimeoutCause(t.Context(), 1500*time.Millisecond,
		work.Fail(work.TimedOut, errors.New("ran longer than the lane's maxRuntime of 1.5s")))
	defer stop()
	_, err := b.runContext(within, b.task(slowJob(b)))
	workertest.Expect(t, err, work.TimedOut, "maxRuntime of 1.5s")
	// CPU time runs out by itself when the worker's clock doesn't stop it.
	ctx, a := b.attempt(t, "slow.mp4", work.Limits{MaxRuntime: time.Second, Threads: 1, Memory: 2 << 30})
	a.Info.Streams = []probe.Stream{{Type: "video", Codec: "h264", Width: 1280, Height: 720}}
	kind, err := kinds.Find("transcode")
	workertest.Must(t, err)
	values, err := kind.Read(paramsJSON(`{"speed": "slow", "fps": 120}`), "x.mp4")
	workertest.Must(t, err)
	_, err = recipe.Plan("transcode", values).Make(ctx, a)
	workertest.Expect(t, err, work.TimedOut, "all the CPU time")
}

// attempt returns an attempt to try parts of the frame on.
func (b *bench) attempt(t *testing.T, clip string, l work.Limits) (context.Context, *attempt.Attempt) {
	t.Helper()
	dir, err := b.h.scratch.Make("part", filepath.Base(t.Name()))
	workertest.Must(t, err)
	t.Cleanup(dir.Discard)
	file, err := os.Open(sharedClip(t, clip))
	workertest.Must(t, err)
	t.Cleanup(func() { _ = file.Close() })
	a := &attempt.Attempt{
		Programs: b.h.options.Programs, Task: b.task(job.Job{}), Dir: dir,
		Box: sandbox.Box{
			Self: b.h.options.Self, Limits: l, Folder: dir.Path(), Input: file, Said: io.Discard,
			Log: b.h.options.Log,
		},
	}
	a.Task.Limits, a.Task.Report = l, func(job.Progress) {}
	return t.Context(), a
}

// A disk without room for the end of an output: ffmpeg 5.1 then says so, and ends with status 0. What it says here was
// recorded on a disk of 4 KiB. Guard: unwritten, in ffmpeg.
func TestFullDisk(t *testing.T) {
	b := newBench(t)
	ctx, a := b.attempt(t, "clip.mp4", work.Limits{})
	script := filepath.Join(t.TempDir(), "ffmpeg")
	workertest.Must(t, os.WriteFile(script, []byte(`#!/bin/sh
head -c 4096 /dev/zero >x.mp4
echo "[error] Error writing trailer of file:x.mp4: No space left on device" >&2
`), 0o700))
	a.Programs.FFmpeg = script
	err := a.FFmpeg(ctx, attempt.Run{Outputs: []attempt.Output{{Name: "x.mp4"}}})
	workertest.Expect(t, err, work.Transient, "No space left on device")
}

func TestOverLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits work.Limits
		says   string
	}{
		{"memory", work.Limits{Memory: 250 << 20, Threads: 1}, "memory of 250Mi"},
		{"less memory than ffmpeg itself needs", work.Limits{Memory: 64 << 20, Threads: 1}, "memory of 64Mi"},
		{"disk", work.Limits{Memory: 2 << 30, Scratch: 100 << 10, Threads: 1}, "scratch space of 100Ki"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.limits = c.limits
			j := slowJob(b)
			j.Params = paramsJSON(`{"speed": "slow", "crf": 5}`)
			_, err := b.run(j)
			workertest.Expect(t, err, work.OverLimit, c.says)
		})
	}
}

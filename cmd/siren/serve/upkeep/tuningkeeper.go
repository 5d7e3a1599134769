package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/plain"
)

// tuningsEntry is the tunings in the ConfigMap beside Redis.
const tuningsEntry = "tunings"

// TuningKeeper reads the tunings for the leading scaler. It ends those whose time is over, keeps a copy in a ConfigMap
// where there is one, and gives a Redis that has lost its data the tunings back: a flushed Redis drops no pause.
type TuningKeeper struct {
	Store *redis.Tunings
	State *kube.State // nil: this process's memory alone
	Log   *slog.Logger

	mu   sync.Mutex
	last lanes.Tunings // as last read
	kept int64         // revision in the ConfigMap, as last written
	said string
}

// Now returns the tunings there are.
func (k *TuningKeeper) Now(ctx context.Context) (lanes.Tunings, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, now, err := k.Store.Now(ctx)
	if err == nil && t.Revision == 0 {
		t, now, err = k.restore(ctx)
	}
	if err == nil {
		t, err = k.end(ctx, t, now)
	}
	if err != nil {
		return t, err
	}
	k.last = t
	k.keep(ctx, t)
	return t, nil
}

// restore puts back what was last known, if anything was: by this process or, where it is newer, in the ConfigMap.
func (k *TuningKeeper) restore(ctx context.Context) (lanes.Tunings, time.Time, error) {
	known := k.last
	if saved, err := k.saved(ctx); err != nil {
		return known, time.Time{}, err
	} else if saved.Revision > known.Revision {
		known = saved
	}
	if known.Revision > 0 {
		restored, err := k.Store.Restore(ctx, known)
		if err != nil {
			return known, time.Time{}, err
		}
		if restored {
			note := audit.Entry{
				By: "the leading scaler", Verb: "restore", On: "tunings",
				Reason: "Redis had lost its data, and what this log had before",
			}
			if err := k.Store.Note(ctx, note); err != nil {
				k.Log.Debug("note the restored tunings", "error", err)
			}
			k.Log.Warn("Redis had lost the tunings and pauses; they are back", "tunings", len(known.All), "revision",
				known.Revision)
		}
	}
	return k.Store.Now(ctx)
}

// saved reads the ConfigMap's copy.
func (k *TuningKeeper) saved(ctx context.Context) (t lanes.Tunings, err error) {
	if k.State == nil {
		return t, nil
	}
	data, err := k.State.Load(ctx)
	if err != nil {
		return t, fmt.Errorf("look up the tunings there were: %w", err)
	}
	if text := data[tuningsEntry]; text != "" {
		if err := json.Unmarshal([]byte(text), &t); err != nil {
			k.Log.Error("the ConfigMap's copy of the tunings can't be read", "error", err)
		}
	}
	return t, nil
}

// end removes the tunings whose time is over. When somebody changes them at the same moment, the next tick tries again.
func (k *TuningKeeper) end(ctx context.Context, t lanes.Tunings, now time.Time) (lanes.Tunings, error) {
	var over []string
	var notes []audit.Entry
	for _, tuning := range t.All {
		if !tuning.Active(now) {
			over = append(over, tuning.ID())
			notes = append(notes, audit.Entry{
				By: "its time was over", Verb: "expire", On: tuning.Field,
				Before: tuning.Spelled(), Reason: tuning.Reason, Schedule: tuning.Name,
			})
		}
	}
	if len(over) == 0 {
		return t, nil
	}
	switch _, err := k.Store.Change(ctx, t.Revision, nil, over, notes); {
	case err == nil:
		k.Log.Info("tunings have ended: their time was over", "tunings", over)
	case !errors.Is(err, redis.ErrChanged):
		return t, err
	}
	t, _, err := k.Store.Now(ctx)
	return t, err
}

// keep writes the copy when it is another one. The scaler goes on without it: the next tick tries again.
func (k *TuningKeeper) keep(ctx context.Context, t lanes.Tunings) {
	if k.State == nil || t.Revision == k.kept {
		return
	}
	text, err := json.Marshal(t)
	if err == nil {
		err = k.State.Save(ctx, map[string]string{tuningsEntry: string(text)})
	}
	switch {
	case err == nil:
		k.kept, k.said = t.Revision, ""
	case plain.Trouble(err) != k.said:
		k.said = plain.Trouble(err)
		k.Log.Warn("the tunings have no copy beside Redis", "error", err)
	}
}

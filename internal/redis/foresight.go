package redis

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
)

const (
	questionKeep  = 30 * time.Second // of questions and answers
	questionBatch = 10
	askEvery      = 2 * time.Second // once more: a leader may take a question and be gone
	answerPoll    = 50 * time.Millisecond
)

// Ask puts a question to the leading scaler and waits for the answer until ctx ends. An answer with an Error is no error
// here: the leader has said why it has no other.
func (b *Board) Ask(ctx context.Context, w lanes.WhatIf) (lanes.Foresight, error) {
	const doing = "ask the leading scaler"
	question, err := json.Marshal(w)
	if err != nil {
		return lanes.Foresight{}, fmt.Errorf("%s: %w", doing, err)
	}
	id := rand.Text()
	ticker := time.NewTicker(answerPoll)
	defer ticker.Stop()
	for asked := (time.Time{}); ; {
		if time.Since(asked) >= askEvery {
			asked = time.Now()
			err = b.ask(ctx, id+" "+string(question))
		}
		var f lanes.Foresight
		there := false
		if err == nil {
			f, there, err = b.answer(ctx, id)
		}
		switch {
		case there:
			return f, nil
		case over(ctx):
			<-ctx.Done()
			return lanes.Foresight{}, fmt.Errorf("%s: no scaler answered: %w", doing, ctx.Err())
		case err != nil:
			return lanes.Foresight{}, failed(doing, err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// ask puts a question where the leader looks, once however often it is asked, and has it look now.
func (b *Board) ask(ctx context.Context, question string) error {
	_, err := b.store.Client().Pipelined(ctx, func(p goredis.Pipeliner) error {
		p.ZAdd(ctx, questionsKey, goredis.Z{Score: float64(millis(b.store.Now())), Member: question})
		p.PExpire(ctx, questionsKey, questionKeep)
		p.Publish(ctx, tunedChannel, "asked")
		return nil
	})
	return err
}

func (b *Board) answer(ctx context.Context, id string) (f lanes.Foresight, there bool, err error) {
	text, err := b.store.Client().Get(ctx, answerKey(id)).Bytes()
	switch {
	case errors.Is(err, goredis.Nil):
		return f, false, nil
	case err != nil:
		return f, false, err
	}
	return f, true, json.Unmarshal(text, &f)
}

// Questions takes what is asked, by the id that names it to Answer: the oldest ten questions at most; none is no error. Who takes a question
// answers it.
func (b *Board) Questions(ctx context.Context) (map[string]lanes.WhatIf, error) {
	taken, err := b.store.Client().ZPopMin(ctx, questionsKey, questionBatch).Result()
	if err != nil {
		return nil, failed("take questions", err)
	}
	questions := map[string]lanes.WhatIf{}
	for _, asked := range members(taken) {
		id, text, _ := strings.Cut(asked, " ")
		var q lanes.WhatIf
		if err := json.Unmarshal([]byte(text), &q); err != nil {
			b.log.Warn("a question can't be read", slog.String("question", id), slog.Any("error", err))
			continue
		}
		questions[id] = q
	}
	return questions, nil
}

// Answer answers a question that was taken.
func (b *Board) Answer(ctx context.Context, id string, f lanes.Foresight) error {
	return failed("answer a question", b.store.Client().Set(ctx, answerKey(id), encode(f), questionKeep).Err())
}

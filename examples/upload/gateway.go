package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"time"
)

// gateway is Siren's, with the token that it knows us by: the browser never has it.
type gateway struct {
	url   *url.URL
	token string
}

// enqueue hands a job over. While the gateway is busy or away it asks again, with the same key: so it is one job.
func (g gateway) enqueue(ctx context.Context, key string, job any) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	body, err := json.Marshal(job)
	if err != nil {
		return "", err
	}
	for {
		id, wait, err := g.send(ctx, key, body)
		if wait == 0 {
			return id, err
		}
		select {
		case <-ctx.Done():
			return "", errors.New("the gateway was busy or away for a minute")
		case <-time.After(wait):
		}
	}
}

// send sends a job once. It returns how long to wait before the next time; 0: there is none.
func (g gateway) send(ctx context.Context, key string, body []byte) (id string, wait time.Duration, err error) {
	to := g.url.JoinPath("v1/jobs").String()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	r.Header = g.header()
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", time.Second, err
	}
	defer answer.Body.Close()
	var said struct{ ID, Detail string }
	err = json.NewDecoder(answer.Body).Decode(&said)
	switch s := answer.StatusCode; {
	case s == http.StatusAccepted && err == nil:
		return said.ID, 0, nil
	case s >= 400 && s < 500 && s != http.StatusConflict && s != http.StatusTooManyRequests:
		return "", 0, errors.New(said.Detail) // of 422: what is wrong with the job
	}
	wait, _ = time.ParseDuration(answer.Header.Get("Retry-After") + "s")
	return "", max(wait, time.Second), nil
}

func (g gateway) header() http.Header { return http.Header{"Authorization": {"Bearer " + g.token}} }

var jobID = regexp.MustCompile(`^[\w-][\w.-]*$`)

// events passes a job's events through, and nothing else that one could ask the gateway for.
func (g gateway) events(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !jobID.MatchString(id) {
		http.NotFound(w, r)
		return
	}
	proxy := httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.Out.URL, p.Out.Header = &url.URL{Path: "/v1/jobs/" + id + "/events"}, g.header()
		p.Out.Header["Last-Event-Id"] = p.In.Header["Last-Event-Id"]
		p.SetURL(g.url)
	}}
	proxy.ServeHTTP(w, r)
}

package gateway

import (
	"bufio"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2/sse"
)

// A stream that the gateway ends, ends whole, however long nothing was said: else whoever listens takes it for a
// connection that broke.
func TestStreamEndsWhole(t *testing.T) {
	before := sse.WriteTimeout
	sse.WriteTimeout = 500 * time.Millisecond
	t.Cleanup(func() { sse.WriteTimeout = before })
	d := open(t, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		d.url+"/v1/jobs/"+d.enqueue(t, "prod")+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.tokens["prod"])
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	heard := bufio.NewReader(answer.Body)
	if line, err := heard.ReadString('\n'); err != nil {
		t.Fatalf("first heard: %q %v", line, err)
	}
	time.Sleep(2 * sse.WriteTimeout)
	d.stop()
	if _, err := io.ReadAll(heard); err != nil {
		t.Errorf("the stream's end: %v", err)
	}
}

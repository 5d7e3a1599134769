package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// Bucket is the one that slow keeps, as storage URLs have it.
const Bucket = "s3://slow/"

// slow is an S3 server with one bucket. An object's key says how long its bytes take to arrive: 4.250/a.wav, four and a
// quarter seconds.
type slow struct{ *httptest.Server }

func openSlow() slow {
	return slow{httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		seconds, _, _ := strings.Cut(key, "/")
		lasts, err := strconv.ParseFloat(seconds, 64)
		if err != nil || r.Method != http.MethodGet {
			http.Error(w, "only objects with a time can be read", http.StatusNotFound)
			return
		}
		trickle(w, r, time.Duration(lasts*float64(time.Second)))
	}))}
}

// environ points a worker's S3 at the server.
func (s slow) environ() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL": s.URL, "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing",
		"AWS_EC2_METADATA_DISABLED": "true",
	}
}

// object returns the URL of an object that takes so long.
func object(lasts time.Duration, name string) string {
	return fmt.Sprintf("%s%.3f/%s.wav", Bucket, lasts.Seconds(), name)
}

// trickle sends the sound in a hundred pieces, the last one at the end of its time.
func trickle(w http.ResponseWriter, r *http.Request, lasts time.Duration) {
	const pieces = 100
	began := time.Now()
	w.Header().Set("Content-Length", strconv.Itoa(len(sound)))
	w.Header().Set("ETag", `"sound"`)
	for i := range pieces {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Until(began.Add(lasts * time.Duration(i+1) / pieces))):
		}
		_, _ = w.Write(sound[i*len(sound)/pieces : (i+1)*len(sound)/pieces]) // a reader that is gone ends the request
		_ = http.NewResponseController(w).Flush()
	}
}

// sound is half a second of silence as WAV.
var sound = func() []byte {
	const rate, samples = 8000, 4000
	var b bytes.Buffer
	for _, part := range []any{
		[]byte("RIFF"), uint32(36 + 2*samples), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(rate),
		uint32(2 * rate), uint16(2), uint16(16), []byte("data"), uint32(2 * samples), make([]byte, 2*samples),
	} {
		_ = binary.Write(&b, binary.LittleEndian, part) // into memory
	}
	return b.Bytes()
}()

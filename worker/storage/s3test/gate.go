package s3test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"

	"github.com/polyglot-media/siren/worker/workertest"
)

// Gate puts a Cutter before the server, and points the AWS environment of the test at it.
func Gate(t testing.TB) *workertest.Cutter {
	t.Helper()
	server, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
	workertest.Must(t, err)
	gate := &workertest.Cutter{Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(server)
			r.Out.Host = r.In.Host // which is signed
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}}
	front := httptest.NewServer(gate)
	t.Cleanup(front.Close)
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
	return gate
}

//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The S3 server of testdata/s3.yaml.
const (
	bucket    = "media"
	accessKey = "e2e"
	secretKey = "not-a-secret"
)

// storage is the namespace's S3 server.
type storage struct {
	*site
	client *s3.Client
}

// startStorage starts the server with one bucket in it.
func (s *site) startStorage() *storage {
	s.Helper()
	manifest, err := os.ReadFile("testdata/s3.yaml")
	s.must(err)
	s.apply(strings.ReplaceAll(string(manifest), "IMAGE", aidImage))
	s.kubectl("wait", "--for=condition=Ready", "pod/s3", "--timeout=60s")
	st := &storage{s, s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + s.forward("service/s3", 7070)), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})}
	_, err = st.client.CreateBucket(s.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	s.must(err)
	return st
}

// put stores a file of this machine and returns its URL for jobs.
func (st *storage) put(key, file string) (url string) {
	st.Helper()
	content, err := os.ReadFile(file)
	st.must(err)
	_, err = st.client.PutObject(st.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: &key,
		Body: bytes.NewReader(content),
	})
	st.must(err)
	return "s3://" + bucket + "/" + key
}

// keys lists what is stored under a prefix.
func (st *storage) keys(prefix string) (keys []string) {
	st.Helper()
	pages := s3.NewListObjectsV2Paginator(st.client,
		&s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(st.Context())
		st.must(err)
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

var clips struct {
	sync.Mutex
	dir string
}

// clip makes a real video of so many seconds of a moving test picture, once for all tests.
func (s *site) clip(name string, ffmpegArgs ...string) (file string) {
	s.Helper()
	clips.Lock()
	defer clips.Unlock()
	if clips.dir == "" {
		dir, err := os.MkdirTemp("", "siren-e2e-")
		s.must(err)
		clips.dir = dir
	}
	file = filepath.Join(clips.dir, name)
	if _, err := os.Stat(file); err == nil {
		return file
	}
	out, err := exec.CommandContext(s.Context(), "ffmpeg",
		append(append([]string{"-loglevel", "error", "-y"}, ffmpegArgs...), file)...).CombinedOutput()
	if err != nil {
		s.Fatalf("make %s: %v\n%s", name, err, out)
	}
	return file
}

// Package bucket opens buckets of S3, Google Cloud Storage and Azure Blob Storage by the operator's parameters, with
// credentials that may change while a worker runs. What differs between the clouds is here, a file for each. It doesn't
// know what is put into the buckets.
package bucket

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"sync"
	"time"

	"gocloud.dev/blob"
)

// checkWithin bounds the search for changed credentials: without any in the file, a client asks the machine's cloud.
const checkWithin = 2 * time.Second

// Opener opens the buckets of one cloud, each once: a bucket holds a client with its connections and credentials. What
// it was given by a service, such as a web identity, the client renews by itself, but it reads a file with credentials
// only once. So when that has changed, whoever asks next gets a bucket that was opened anew. Who has the former one
// goes on with it: it is never closed, and holds nothing but connections, which end when they have been idle.
type Opener struct {
	cloud
	log    *slog.Logger
	mu     sync.Mutex
	opened map[string]openBucket
}

// cloud is what differs between the clouds.
type cloud struct {
	name        string // for messages
	credentials string // where they come from, for messages
	secret      string // path of the file with credentials; "": none, or a default one, which is read once
	// open opens a bucket; only when there are credentials for it if asked to check
	open func(ctx context.Context, bucket string, check bool) (*blob.Bucket, error)
	// fault says what an error of the cloud's own means; Other when gocloud.dev knows as well
	fault func(error) Fault
	// said returns what the cloud itself says in an error; "" when that isn't it
	said func(error) string
	// version returns what tells this version of an object from others, "" when nothing does; as is a reader's
	version func(as func(any) bool) string
	// pin makes a read fail with Changed if the object has another version; as is that of a read's BeforeRead
	pin func(as func(any) bool, version string)
}

// openBucket is a bucket, and what the file with credentials was when it was opened.
type openBucket struct {
	*blob.Bucket
	secret digest
}

type digest [sha256.Size]byte

func opener(c cloud, log *slog.Logger) *Opener {
	return &Opener{cloud: c, log: log, opened: map[string]openBucket{}}
}

// Open opens the bucket with the current credentials. It uses the former ones when the file is missing, as it may be
// for a moment while it is replaced, or holds none that can be used.
func (b *Opener) Open(ctx context.Context, name string) (*blob.Bucket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	former, ok := b.opened[name]
	secret, there := b.digest()
	if ok && (!there || secret == former.secret) {
		return former.Bucket, nil
	}
	bucket, err := b.open(ctx, name, ok)
	switch {
	case err != nil && ok:
		b.log.Warn("the new credentials can't be used; still using the previous ones", slog.String("cloud", b.name),
			slog.String("bucket", name), slog.Any("error", err))
		return former.Bucket, nil
	case err != nil:
		return nil, err
	case ok:
		b.log.Info("using the new credentials", slog.String("cloud", b.name), slog.String("bucket", name))
	}
	b.opened[name] = openBucket{bucket, secret}
	return bucket, nil
}

// digest tells one content of the file with credentials from another. It is small, so it is read each time: a time
// stamp would miss changes in quick succession.
func (b *Opener) digest() (secret digest, there bool) {
	if b.secret == "" {
		return secret, false
	}
	data, err := os.ReadFile(b.secret)
	if err != nil {
		return secret, false
	}
	return sha256.Sum256(data), true
}

// Read opens length bytes of an object from offset on, -1 for all that follow. It fails with the fault Changed if
// version isn't "" and the object's is another one.
func (b *Opener) Read(ctx context.Context, bucket, key, version string, offset, length int64) (*blob.Reader, error) {
	from, err := b.Open(ctx, bucket)
	if err != nil {
		return nil, err
	}
	var o blob.ReaderOptions
	if version != "" {
		o.BeforeRead = func(as func(any) bool) error {
			b.pin(as, version)
			return nil
		}
	}
	return from.NewRangeReader(ctx, key, offset, length, &o)
}

// Version returns what tells the version of the object that is read from others; "" when nothing does.
func (b *Opener) Version(r *blob.Reader) string { return b.version(r.As) }

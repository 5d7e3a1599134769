package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

// storageWithin bounds what is done at one prefix.
const storageWithin = 20 * time.Second

// ExamineStorage tries to read and write below each prefix as jobs may: what is to be written to gets a small file by the commit protocol, and a second
// commit of another job has to lose. The file is deleted again.
func ExamineStorage(ctx context.Context, o Options, storage []lanes.Storage) (found []doctor.Finding) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b, err := newBuckets(o.S3, os.Getenv, o.Log)
	if err != nil {
		return []doctor.Finding{{
			Check: "storage.s3", Severity: doctor.Error, What: err.Error(), Why: "no worker can start with that", Mend: "correct SIREN_S3: endpoint=…&region=…&use_path_style=true",
		}}
	}
	all := newRules(storage)
	x := storageExaminer{h: &Handler{options: o, buckets: b}, rules: all}
	for _, r := range all {
		ctx, cancel := context.WithTimeout(ctx, storageWithin)
		found = append(found, x.examine(ctx, r))
		cancel()
	}
	if len(found) == 0 {
		found = append(found, doctor.Finding{
			Check: "storage.prefixes", Severity: doctor.Warning, What: "the policy lists no storage", Why: "every job is refused: it may neither read nor write",
			Mend: `add to the policy, for instance: storage: [{prefix: "s3://media/", read: true, write: true}]`,
		})
	}
	return found
}

type storageExaminer struct {
	h     *Handler
	rules rules
}

// examine is what one prefix allows, beside what it is to allow.
func (x storageExaminer) examine(ctx context.Context, r rule) doctor.Finding {
	f := doctor.Finding{Check: "storage." + r.scheme, What: fmt.Sprintf("%s can be %s", r, r.uses())}
	if r.scheme == "http" || r.scheme == "https" {
		f.Severity = doctor.Note
		f.What = fmt.Sprintf("%s wasn't tried: no file of it is known", r)
		f.Why = "whether inputs can be fetched from there shows with the first job"
		f.Mend = fmt.Sprintf("siren enqueue probe --input %sFILE --output … --wait", r)
		return f
	}
	var err error
	if r.write {
		err = x.write(ctx, r)
	} else if r.read {
		err = x.read(ctx, r)
	}
	var left *leftError
	switch {
	case err == nil:
	case errors.As(err, &left):
		f.Severity = doctor.Note
		f.What = fmt.Sprintf("%s can be %s; the file that was written to try it is still there: %v", r, r.uses(), err)
		f.Why = "Siren itself deletes nothing there, so nothing else is wrong"
		f.Mend = "delete " + left.name
	default:
		f.Severity = doctor.Error
		f.What = fmt.Sprintf("%s can't be %s: %v", r, r.uses(), err)
		f.Why = "jobs whose files are there fail"
		f.Mend = mendStorage(r, err)
	}
	return f
}

func (r rule) uses() string {
	switch {
	case r.read && r.write:
		return "read and written"
	case r.write:
		return "written"
	default:
		return "read"
	}
}

// errReplaced is a storage where the second of two commits doesn't lose.
var errReplaced = errors.New("it doesn't honour create-if-absent: a second job replaced the output of the first")

// leftError is a probe that couldn't be deleted.
type leftError struct {
	name string
	err  error
}

func (e *leftError) Error() string { return e.err.Error() }
func (e *leftError) Unwrap() error { return e.err }

// write commits a small file as two jobs, of which the second has to lose, reads it where that is allowed, and deletes it.
func (x storageExaminer) write(ctx context.Context, r rule) error {
	name := probeName()
	at := location{scheme: r.scheme, host: r.host, path: r.path + name, below: r}
	file, err := os.CreateTemp(x.h.options.Scratch, ".siren-doctor-") // "": the system's temporary folder
	if err != nil {
		return err
	}
	defer func() { _, _ = file.Close(), os.Remove(file.Name()) }()
	if _, err := file.WriteString("written by siren doctor, and deleted at once\n"); err != nil {
		return err
	}
	store := x.h.store(at, x.rules)
	commit := func(job string) error {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, _, err := store.commit(ctx, at, product{file: file, mediaType: "text/plain", job: lanes.Job{ID: job}, attempt: "1"})
		return err
	}
	if err := commit(name + "-a"); err != nil {
		return err
	}
	second := commit(name + "-b")
	var read error
	if r.read {
		read = x.fetch(ctx, store, at)
	}
	left := x.remove(ctx, at, name+"-a", name+"-b")
	switch {
	case second == nil:
		return errReplaced
	case lanes.KindOf(second) != lanes.OutputExists:
		return fmt.Errorf("a second commit: %w", second)
	case read != nil:
		return fmt.Errorf("read what was written: %w", read)
	case left != nil:
		return &leftError{at.String(), left}
	}
	return nil
}

func (x storageExaminer) fetch(ctx context.Context, store source, at location) error {
	content, _, err := store.open(ctx, at)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	_, err = io.Copy(io.Discard, content)
	return err
}

// remove deletes what write has left, the attempts too.
func (x storageExaminer) remove(ctx context.Context, at location, jobs ...string) error {
	if at.scheme == "s3" {
		b, err := x.h.buckets.open(ctx, at.host)
		if err != nil {
			return err
		}
		return b.Delete(ctx, key(at))
	}
	folder, err := fileStore{x.rules}.folder(at, false)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	for _, job := range jobs {
		discard(folder, job, "1")
	}
	return folder.Remove(filepath.Base(at.path))
}

// read looks whether anything below the prefix can be read.
func (x storageExaminer) read(ctx context.Context, r rule) error {
	if r.scheme == "file" {
		root, err := openPrefix(location{below: r})
		if err != nil {
			return err
		}
		defer func() { _ = root.Close() }()
		_, err = fs.ReadDir(root.FS(), ".")
		return err
	}
	b, err := x.h.buckets.open(ctx, r.host)
	if err != nil {
		return err
	}
	// A file that surely isn't there tells: "not found" is said only to who may read. Who may not list either gets the same refusal.
	_, err = b.Attributes(ctx, strings.TrimPrefix(r.path, "/")+probeName())
	if gcerrors.Code(err) != gcerrors.NotFound {
		return err
	}
	// "Not found" may be the bucket's.
	if _, err := b.List(&blob.ListOptions{Prefix: strings.TrimPrefix(r.path, "/")}).Next(ctx); err != nil && !errors.Is(err, io.EOF) && gcerrors.Code(err) == gcerrors.NotFound {
		return err
	}
	return nil
}

// mendStorage is what to do about a prefix that can't be used.
func mendStorage(r rule, err error) string {
	if r.scheme == "file" {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "mount its volume here (workers.extraVolumes and extraVolumeMounts in the chart), or make the folder"
		case errors.Is(err, syscall.EROFS):
			return "mount it writable, or take write: true off that prefix in the policy"
		case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS):
			return "put outputs on a file system with hard links: a local one or NFS, not vfat, SMB or a FUSE mount of a bucket"
		case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
			return "free space there"
		}
		verb := "r"
		if r.write {
			verb = "rw"
		}
		return fmt.Sprintf("let user %d use it: chown or setfacl -m u:%[1]d:%sx %s; on Kubernetes set podSecurityContext.fsGroup", os.Getuid(), verb, r.path)
	}
	if errors.Is(err, errReplaced) {
		return "use a storage with conditional writes (If-None-Match): AWS S3, MinIO, Ceph 19, Cloudflare R2, versitygw; older ones let two attempts of a job overwrite each other"
	}
	actions := "s3:GetObject"
	if r.write {
		actions += " (to see whether an output is there) and s3:PutObject"
	}
	return fmt.Sprintf("check the endpoint (AWS_ENDPOINT_URL_S3), the region and the credentials (AWS_SHARED_CREDENTIALS_FILE), that bucket %s exists, and that it allows %s on %s%s*, and s3:ListBucket",
		r.host, actions, r.host, r.path)
}

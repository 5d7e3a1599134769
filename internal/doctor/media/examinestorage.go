package media

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/storage"
)

// storageWithin bounds what is done at one prefix.
const storageWithin = 20 * time.Second

// ExamineStorage tries to read and write below each prefix as jobs may: what is to be written to gets a small file by
// the commit protocol, and a second commit of another job has to lose. The file is deleted again.
func ExamineStorage(ctx context.Context, o Options, allowed []lanes.Storage) (found []doctor.Finding) {
	if o.Storage.Log == nil {
		o.Storage.Log = slog.New(slog.DiscardHandler)
	}
	stores, err := storage.New(o.Storage)
	if err != nil {
		return []doctor.Finding{{
			Check: "storage.s3", Severity: doctor.Error, What: err.Error(), Why: "no worker can start with that",
			Fix: "correct SIREN_S3: endpoint=…&region=…&use_path_style=true",
		}}
	}
	for _, s := range allowed { // a policy from before the check may have one
		if _, err := location.ParsePrefix(s.Prefix); err != nil {
			found = append(found, doctor.Finding{
				Check: "storage.prefixes", Severity: doctor.Error,
				What: "a prefix of the policy's storage " + err.Error(), Why: "no job can use what is below it",
				Fix: "correct it in the policy",
			})
		}
	}
	x := storageExaminer{stores: stores, scratch: o.Scratch, rules: storage.NewRules(allowed)}
	for _, r := range x.rules {
		ctx, cancel := context.WithTimeout(ctx, storageWithin)
		found = append(found, x.examine(ctx, r))
		cancel()
	}
	if len(found) == 0 {
		found = append(found, doctor.Finding{
			Check: "storage.prefixes", Severity: doctor.Warning, What: "the policy lists no storage",
			Why: "every job is refused: it may neither read nor write",
			Fix: `add to the policy, for instance: storage: [{prefix: "s3://media/", read: true, write: true}]`,
		})
	}
	return found
}

type storageExaminer struct {
	stores  *storage.Stores
	scratch string
	rules   storage.Rules
}

// examine says what one prefix allows, beside what it is to allow.
func (x storageExaminer) examine(ctx context.Context, r storage.Rule) doctor.Finding {
	f := doctor.Finding{Check: "storage." + r.Scheme, What: fmt.Sprintf("%s can be %s", r, uses(r))}
	try, ok := x.stores.Source(storage.Place{Location: r.Location}, x.rules).(storage.Store)
	if !ok {
		f.Severity = doctor.Note
		f.What = fmt.Sprintf("%s wasn't tried: no file of it is known", r)
		f.Why = "whether inputs can be fetched from there shows with the first job"
		f.Fix = fmt.Sprintf("siren enqueue probe --input %sFILE --output … --wait", r)
		return f
	}
	var err error
	if r.Write {
		err = x.write(ctx, try, r)
	} else if r.Read {
		err = try.Readable(ctx, r)
	}
	var left *leftError
	switch {
	case err == nil:
	case errors.As(err, &left):
		f.Severity = doctor.Note
		f.What = fmt.Sprintf("%s can be %s; the file that was written to try it is still there: %v", r, uses(r), err)
		f.Why = "Siren itself deletes nothing there, so nothing else is wrong"
		f.Fix = "delete " + left.name
	default:
		f.Severity = doctor.Error
		f.What = fmt.Sprintf("%s can't be %s: %v", r, uses(r), err)
		f.Why = "jobs whose files are there fail"
		f.Fix = fixStorage(r, err)
	}
	return f
}

func uses(r storage.Rule) string {
	switch {
	case r.Read && r.Write:
		return "read and written"
	case r.Write:
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

// write commits a small file as two jobs, of which the second has to lose, reads it where that is allowed, and deletes
// it.
func (x storageExaminer) write(ctx context.Context, store storage.Store, r storage.Rule) error {
	name := ".siren-doctor-" + strings.ToLower(rand.Text()[:10])
	at := storage.Place{Location: r.Location, Below: r}
	at.Path += name
	dir, err := scratchIn(x.scratch)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".siren-doctor-")
	if err != nil {
		return err
	}
	defer func() { _, _ = file.Close(), os.Remove(file.Name()) }()
	if _, err := file.WriteString("written by siren doctor, and deleted at once\n"); err != nil {
		return err
	}
	commit := func(j string) error {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, _, err := store.Commit(ctx, at, storage.Product{
			File: file, MediaType: "text/plain", Job: job.Job{ID: j},
			Attempt: "1",
		})
		return err
	}
	if err := commit(name + "-a"); err != nil {
		return err
	}
	second := commit(name + "-b")
	var read error
	if r.Read {
		read = readOut(ctx, store, at)
	}
	left := store.Remove(ctx, at, name+"-a", name+"-b")
	switch {
	case second == nil:
		return errReplaced
	case work.KindOf(second) != work.OutputExists:
		return fmt.Errorf("a second commit: %w", second)
	case read != nil:
		return fmt.Errorf("read what was written: %w", read)
	case left != nil:
		return &leftError{at.String(), left}
	}
	return nil
}

func readOut(ctx context.Context, from storage.Source, at storage.Place) error {
	content, _, err := from.Open(ctx, at)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	_, err = io.Copy(io.Discard, content)
	return err
}

// fixes is what to do about a prefix of each scheme that can't be used.
var fixes = map[string]func(storage.Rule, error) string{
	"file": fixFiles, "s3": fixS3, "gs": fixGoogle, "azblob": fixAzure,
}

func fixStorage(r storage.Rule, err error) string {
	if errors.Is(err, errReplaced) {
		return "use a storage with conditional writes (If-None-Match): AWS S3, MinIO, Ceph 19, Cloudflare R2, " +
			"versitygw; older ones let two attempts of a job overwrite each other"
	}
	if fix, ok := fixes[r.Scheme]; ok {
		return fix(r, err)
	}
	return fmt.Sprintf("check that %s exists, and that the workers' credentials are for it", r)
}

func fixFiles(r storage.Rule, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "mount its volume here (workers.extraVolumes and extraVolumeMounts in the chart), or make the folder"
	case errors.Is(err, syscall.EROFS):
		return "mount it writable, or take write: true off that prefix in the policy"
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS):
		return "put outputs on a file system with hard links: a local one or NFS, not vfat, SMB or a FUSE mount of " +
			"a bucket"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free space there"
	}
	verb := "r"
	if r.Write {
		verb = "rw"
	}
	return fmt.Sprintf("let user %d use it: chown or setfacl -m u:%[1]d:%sx %s; on Kubernetes set "+
		"podSecurityContext.fsGroup", os.Getuid(), verb, r.Path)
}

func fixS3(r storage.Rule, err error) string {
	if strings.Contains(strings.ToLower(err.Error()), "region") {
		return fmt.Sprintf("set AWS_REGION to the region of bucket %s, as in AWS_REGION=eu-central-1 (or say region=… "+
			"in SIREN_S3)", r.Host)
	}
	actions := "s3:GetObject"
	if r.Write {
		actions += " (to see whether an output is there) and s3:PutObject"
	}
	return fmt.Sprintf("check the endpoint (AWS_ENDPOINT_URL_S3), the region (AWS_REGION) and the credentials "+
		"(AWS_SHARED_CREDENTIALS_FILE), that bucket %s exists, and that it allows %s on %s%s*, and s3:ListBucket",
		r.Host, actions, r.Host, r.Path)
}

func fixGoogle(r storage.Rule, _ error) string {
	role := "roles/storage.objectViewer"
	if r.Write {
		role = "roles/storage.objectUser"
	}
	return fmt.Sprintf("check the credentials (GOOGLE_APPLICATION_CREDENTIALS, or the pod's service account), and "+
		"that "+
		"bucket %s exists and gives them %s", r.Host, role)
}

func fixAzure(r storage.Rule, _ error) string {
	role := "Storage Blob Data Reader"
	if r.Write {
		role = "Storage Blob Data Contributor"
	}
	return fmt.Sprintf("check AZURE_STORAGE_ACCOUNT and the credentials (AZURE_STORAGE_KEY, "+
		"AZURE_STORAGE_SAS_TOKEN, or "+
		"the pod's identity with the role %q), and that container %s exists", role, r.Host)
}

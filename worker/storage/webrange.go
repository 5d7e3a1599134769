package storage

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// askPart asks for a part of a file, if it isn't all; of another version than the given one, for all of it.
func askPart(h http.Header, version string, offset, length int64) {
	switch {
	case length >= 0:
		h.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	case offset > 0:
		h.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	default:
		return
	}
	if version != "" {
		h.Set("If-Range", version)
	}
}

// webVersion returns what tells this version of a file from others as If-Range takes it: a strong ETag, or a time of
// its last change that is so long ago that another change would show (RFC 9110, 8.8.2.2). "" when there is neither.
func webVersion(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	changed, err := http.ParseTime(h.Get("Last-Modified"))
	sent, err2 := http.ParseTime(h.Get("Date"))
	if err != nil || err2 != nil || sent.Sub(changed) < time.Minute {
		return ""
	}
	return h.Get("Last-Modified")
}

// part notes which part a server has sent. It must be that which was asked for, of the same version: some servers don't
// know If-Range.
func (p *Piece) part(h http.Header, version string, offset int64) error {
	unit, said, _ := strings.Cut(h.Get("Content-Range"), " ")
	span, all, _ := strings.Cut(said, "/")
	first, _, _ := strings.Cut(span, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil || unit != "bytes" || from != offset {
		return fmt.Errorf("its server was asked for the bytes from %d on, and answers %q", offset,
			h.Get("Content-Range"))
	}
	p.Offset, p.Size = from, -1
	if size, err := strconv.ParseInt(all, 10, 64); err == nil && size > 0 {
		p.Size = size
	}
	if version != "" && p.Version != "" && p.Version != version {
		return errChanged
	}
	return nil
}

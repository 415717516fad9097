package auditstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
)

// spool keeps lines in a file until they are stored. A nil spool is always empty and full.
type spool struct {
	path   string
	limit  int64
	w, r   *os.File
	size   int64 // of the file
	offset int64 // of the first line that is not stored
	lines  int   // that are not stored
}

func openSpool(path string, limit int64) (*spool, error) {
	s := &spool{path: path, limit: limit}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open the spool file of the audit: %w", err)
	}
	return s, nil
}

func (s *spool) open() error {
	var err error
	if s.w, err = ownedfile.OpenAppend(s.path); err != nil {
		return err
	}
	if s.r, err = os.Open(s.path); err != nil {
		return errors.Join(err, s.w.Close())
	}
	length, err := s.scan()
	if err != nil {
		return errors.Join(err, s.w.Close(), s.r.Close())
	}
	// A crash can tear the last line, which was not taken then.
	if s.size < length {
		return s.w.Truncate(s.size)
	}
	return nil
}

// scan counts the lines of the file, which may be larger than the memory, and returns its length.
func (s *spool) scan() (length int64, err error) {
	for part := make([]byte, 64<<10); ; {
		n, err := s.r.Read(part)
		if i := bytes.LastIndexByte(part[:n], '\n'); i >= 0 {
			s.size = length + int64(i) + 1
			s.lines += bytes.Count(part[:n], []byte("\n"))
		}
		length += int64(n)
		if errors.Is(err, io.EOF) {
			return length, nil
		}
		if err != nil {
			return length, err
		}
	}
}

func (s *spool) empty() bool { return s == nil || s.offset == s.size }

func (s *spool) count() int {
	if s == nil {
		return 0
	}
	return s.lines
}

func (s *spool) fits(line []byte) bool { return s != nil && s.size+int64(len(line))+1 <= s.limit }

func (s *spool) append(line []byte) error {
	n, err := s.w.Write(append(bytes.Clone(line), '\n'))
	if err != nil {
		if n > 0 {
			err = errors.Join(err, s.w.Truncate(s.size))
		}
		return fmt.Errorf("spool file of the audit: %w", err)
	}
	s.size += int64(n)
	s.lines++
	return nil
}

// read returns the first lines.
func (s *spool) read() (batch [][]byte, err error) {
	if s.empty() {
		return nil, nil
	}
	for want := int64(batchBytes); ; want *= 2 {
		part := make([]byte, min(want, s.size-s.offset))
		if _, err := s.r.ReadAt(part, s.offset); err != nil {
			return nil, err
		}
		for line := range bytes.Lines(part) {
			line, whole := bytes.CutSuffix(line, []byte("\n"))
			if !whole || len(batch) == batchLines {
				break
			}
			batch = append(batch, line)
		}
		if len(batch) > 0 {
			return batch, nil
		}
	}
}

// drop forgets the first n lines. When none is left, the file is empty.
func (s *spool) drop(n int) error {
	if s == nil || n == 0 {
		return nil
	}
	batch, err := s.read()
	if err != nil {
		return err
	}
	for _, line := range batch[:n] {
		s.offset += int64(len(line)) + 1
		s.lines--
	}
	if s.offset < s.size {
		return nil
	}
	s.offset, s.size, s.lines = 0, 0, 0
	return s.w.Truncate(0)
}

// close keeps lines for the next start, before those of the file.
func (s *spool) close(before [][]byte) error {
	if s == nil {
		return nil
	}
	defer s.w.Close() //nolint:errcheck // everything is written, or an error is returned
	defer s.r.Close() //nolint:errcheck // read only
	if len(before) == 0 && s.offset == 0 {
		return nil
	}
	rest := make([]byte, s.size-s.offset)
	if len(rest) > 0 {
		if _, err := s.r.ReadAt(rest, s.offset); err != nil {
			return fmt.Errorf("spool file of the audit: %w", err)
		}
	}
	text := slices.Concat(bytes.Join(append(slices.Clip(before), nil), []byte("\n")), rest)
	if err := atomicfile.Write(s.path, text, 0o600, nil); err != nil {
		return fmt.Errorf("spool file of the audit: %w", err)
	}
	return nil
}

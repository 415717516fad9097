package auditstream

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Attack: usher is killed for lack of memory, at each start anew, because JetStream was away for long
// Held by: the spool file is not read as a whole when it is opened
func TestOpenLargeSpool(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	line := append(bytes.Repeat([]byte("x"), 1<<20), '\n')
	whole := bytes.Repeat(line, 24)
	if err := os.WriteFile(path, append(whole, "torn"...), 0o600); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, err := openSpool(path, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if s.lines != 24 || s.size != int64(len(whole)) {
		t.Errorf("%d lines, %d bytes", s.lines, s.size)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("opening it took %d bytes of memory", used)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != s.size {
		t.Errorf("the torn line is there: %v, %v", info, err)
	}
	if err := s.close(nil); err != nil {
		t.Error(err)
	}
}

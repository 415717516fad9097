package assembly_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/app/assembly"
	"usher/app/config"
	"usher/callout/callouttest"
	"usher/directory"
)

// A service token is read from a file that nobody else reads; no error quotes it.
func TestServiceTokens(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		callouttest.Must(t, os.WriteFile(file, []byte(text), mode))
		callouttest.Must(t, os.Chmod(file, mode))
		return file
	}
	good, other := strings.Repeat("0a", 32), strings.Repeat("1b", 32)
	for _, tt := range []struct {
		files []string
		want  string // part of the error; empty: none
	}{
		{[]string{write("good", good+"\n", 0o600), write("other", other+"\n", 0o600)}, ""},
		{[]string{write("open", good+"\n", 0o644)}, "push-0"},
		{[]string{write("short", good[1:]+"\n", 0o600)}, "64 hexadecimal"},
		{[]string{write("upper", strings.ToUpper(good)+"\n", 0o600)}, "64 hexadecimal"},
		{[]string{filepath.Join(dir, "good"), write("twin", good+"\n", 0o600)}, "same token"},
		{[]string{filepath.Join(dir, "none")}, "cannot be read"},
	} {
		cfg := &config.Config{}
		for i, file := range tt.files {
			cfg.API.ServiceTokens = append(cfg.API.ServiceTokens, config.ServiceToken{Name: "push-" + string(rune('0'+i)), Role: config.ServiceTokenPushWorker, TokenFile: file})
		}
		got, err := assembly.ServiceTokens(cfg)
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(strings.ToLower(err.Error()), good[:16]) {
				t.Errorf("%v: %v", tt.files, err)
			}
			continue
		}
		callouttest.Must(t, err)
		if len(got) != 2 || got[1].Digest != directory.DigestOf(other) || got[1].Role != directory.ServiceRolePushWorker {
			t.Errorf("got %+v", got)
		}
	}
}

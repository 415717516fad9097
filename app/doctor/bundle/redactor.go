package bundle

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"usher/app/config"
	"usher/internal/secret"
)

// Redactor hides secrets in texts: those that look like one, and known ones.
type Redactor struct {
	short []string // known secrets that are too short for parts
	parts map[string]struct{}
}

// Lengths, in bytes.
const (
	partLength = 12      // of the parts of a secret that are hidden; what secret.Quote shows of a text
	minSecret  = 4       // a shorter one occurs in other text by chance
	maxFile    = 1 << 20 // of a file with secrets
)

// NewRedactor returns a Redactor that knows the secrets of a configuration, which may be
// nil. problems are files that it cannot read, by their keys: what they have is hidden only
// if it looks like a secret.
func NewRedactor(cfg *config.Config) (r *Redactor, problems []string) {
	r = &Redactor{parts: map[string]struct{}{}}
	if cfg == nil {
		return r, nil
	}
	for _, p := range cfg.Paths() {
		if !mayHoldSecrets(p.Key) {
			continue
		}
		files := []string{p.Path}
		if isKeyDir(p.Key) {
			files = filesIn(p.Path)
		}
		for _, file := range files {
			switch text, err := readFile(file); {
			case err == nil:
				r.learnFile(p.Key, text)
			case !os.IsNotExist(err):
				problems = append(problems, p.Key)
			}
		}
	}
	return r, problems
}

// mayHoldSecrets reports whether the file of a key may hold secrets in clear. A directory
// and a snapshot have digests of them.
func mayHoldSecrets(key string) bool {
	switch key[strings.LastIndexByte(key, '.')+1:] {
	case "ca_file", "cert_file", "client_ca_file", "snapshot_file", "store_dir", "cache_dir", "state_file", "file":
		return false
	case "dir":
		return isKeyDir(key)
	}
	return true
}

// isKeyDir reports whether a key names a folder of keys.
func isKeyDir(key string) bool { return key == "keyring.dir" || key == "operator.dir" }

// filesIn returns the files in a folder and in its folders.
func filesIn(dir string) (files []string) {
	_ = filepath.WalkDir(dir, func(file string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && filepath.Ext(file) != ".yaml" && filepath.Ext(file) != ".jwt" {
			files = append(files, file)
		}
		return nil // what cannot be listed has no name here
	})
	return files
}

func readFile(file string) (string, error) {
	f, err := os.Open(file) //nolint:gosec // the configuration names it
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	return string(b), err
}

// header is a line of a file with headers.
var header = regexp.MustCompile(`^[A-Za-z0-9-]+:\s*(?:(?i:bearer|basic)\s+)?`)

// learnFile learns the secrets of a file: of PEM and .creds what is between the marks, of a
// file with headers their values, of others every line.
func (r *Redactor) learnFile(key, text string) {
	marked := strings.Contains(text, "-----BEGIN ")
	inside := !marked
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "-----") {
			if marked {
				inside = strings.Contains(line, "BEGIN ")
			}
			continue
		}
		if !inside {
			continue
		}
		if strings.HasSuffix(key, "headers_file") {
			line = line[len(header.FindString(line)):]
		}
		r.Learn(line)
	}
}

// Learn makes a secret known.
func (r *Redactor) Learn(text string) {
	if len(text) < minSecret {
		return
	}
	asJSON, err := json.Marshal(text)
	if err != nil {
		asJSON = nil // a string can be encoded
	}
	forms := []string{
		text, strings.Trim(string(asJSON), `"`), url.QueryEscape(text), url.PathEscape(text),
		hex.EncodeToString([]byte(text)), strings.ToUpper(hex.EncodeToString([]byte(text))),
	}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		forms = append(forms, aligned(e, text)...)
	}
	for _, form := range forms {
		if len(form) < partLength {
			if len(form) >= minSecret {
				r.short = append(r.short, form)
			}
			continue
		}
		for i := range len(form) - partLength + 1 {
			r.parts[form[i:i+partLength]] = struct{}{}
		}
	}
}

// aligned returns what is the same in every base64 text of something with text in it, for
// each of the three places at which text can begin.
func aligned(e *base64.Encoding, text string) (forms []string) {
	for before := range 3 {
		encoded := e.EncodeToString(append(make([]byte, before), text...))
		from := (before*8 + 5) / 6         // the first character of text alone
		to := (before + len(text)) * 8 / 6 // the last one
		if from < to && to <= len(encoded) {
			forms = append(forms, encoded[from:to])
		}
	}
	return forms
}

// Text returns a text without secrets.
func (r *Redactor) Text(text string) string {
	return r.known(hidePlaces(secret.RedactDetected(text)))
}

// known hides the known secrets.
func (r *Redactor) known(text string) string {
	for _, s := range r.short {
		text = strings.ReplaceAll(text, s, secret.Hidden)
	}
	var b strings.Builder
	copied := 0 // text[:copied] is in b
	for at := 0; at+partLength <= len(text); {
		if _, found := r.parts[text[at:at+partLength]]; !found {
			at++
			continue
		}
		end := at + partLength
		for end < len(text) {
			if _, found := r.parts[text[end-partLength+1:end+1]]; !found {
				break
			}
			end++
		}
		b.WriteString(text[copied:at])
		b.WriteString(secret.Hidden)
		copied, at = end, end
	}
	if copied == 0 {
		return text
	}
	b.WriteString(text[copied:])
	return strings.ToValidUTF8(b.String(), "") // a part may end within a character
}

// word is what a key could be, and metricName a name of a metric of usher, which is as long
// as a key and is none: a key is random, and has capitals.
var (
	word       = regexp.MustCompile(`[A-Za-z0-9_-]+`)
	metricName = regexp.MustCompile(`^usher(_[a-z]+[0-9]{0,3})+$`)
)

// Metrics is Text for metrics, whose names begin as keys of usher do.
func (r *Redactor) Metrics(text string) string {
	var b strings.Builder
	at := 0
	for _, m := range word.FindAllStringIndex(text, -1) {
		if name := text[m[0]:m[1]]; metricName.MatchString(name) {
			b.WriteString(r.Text(text[at:m[0]]))
			b.WriteString(r.known(name))
			at = m[1]
		}
	}
	b.WriteString(r.Text(text[at:]))
	return b.String()
}

package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"

	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// codeSpan is text between back quotes in a document.
var codeSpan = regexp.MustCompile("`([^`\n]+)`")

// TestTroubleshootPage: every message, code, key and metric that the page quotes is in the code,
// so that whoever searches the page for what they see finds it.
func TestTroubleshootPage(t *testing.T) {
	t.Parallel()
	root := callouttest.ModuleRoot(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "how-to", "troubleshoot.md"))
	callouttest.Must(t, err)
	code := sourceText(t, root) + nats.ErrAuthorization.Error() + context.DeadlineExceeded.Error()
	spans := codeSpan.FindAllStringSubmatch(string(page), -1)
	if len(spans) < 60 {
		t.Fatalf("the page quotes only %d texts", len(spans))
	}
	for _, m := range spans {
		if strings.Contains(m[1], "usher ") || strings.HasPrefix(m[1], "--") { // TestCommandsInDocs
			continue
		}
		for _, part := range literals(m[1]) {
			if !strings.Contains(code, part) {
				t.Errorf("%q: no code says %q", m[1], part)
			}
		}
	}
}

// literals returns the parts of a quoted message that stand in the code as they are: what is
// between values, and of findings and errors what is between colons.
func literals(text string) []string {
	var all []string
	for _, part := range regexp.MustCompile(`…|: |":"|is not for |\{[^}]*\}|<[^>]*>|\b4f0c`).Split(text, -1) {
		part = strings.Trim(strings.TrimSpace(part), `"`)
		if part == strings.ToUpper(part) && strings.Contains(part, " ") { // the title of a column
			part = strings.ToLower(part)
		}
		if strings.Contains(part, ".") && !strings.Contains(part, " ") { // the path of a key
			part = part[strings.LastIndex(part, ".")+1:]
		}
		if strings.ContainsFunc(part, unicode.IsLetter) {
			all = append(all, part)
		}
	}
	return all
}

// sourceText returns the source of usher without tests and comments.
func sourceText(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	for _, dir := range []string{"api", "app", "callout", "cmd", "directory", "internal", "tokens"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for line := range strings.Lines(string(text)) {
				if !strings.HasPrefix(strings.TrimSpace(line), "//") {
					b.WriteString(line)
				}
			}
			return err
		})
		callouttest.Must(t, err)
	}
	return b.String()
}

// TestCommandsInDocs: every command of usher in the documents exists, and has the options that
// it is given.
func TestCommandsInDocs(t *testing.T) {
	t.Parallel()
	root := callouttest.ModuleRoot(t)
	app := newApp(io.Discard, io.Discard)
	checked := 0
	for _, dir := range []string{"README.md", "docs", "deploy", "examples"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".md" || filepath.Base(filepath.Dir(path)) == "adr" || d.Name() == "cli.md" { // made from the code

				return err
			}
			text, err := os.ReadFile(path)
			for _, line := range commandsIn(string(text)) {
				checked++
				if problem := commandProblem(app, line); problem != "" {
					t.Errorf("%s: %s: %s", strings.TrimPrefix(path, root), line, problem)
				}
			}
			return err
		})
		callouttest.Must(t, err)
	}
	if checked < 300 {
		t.Errorf("found only %d commands", checked)
	}
}

// commandsIn returns the commands of usher in a document: in lines of code, and in code spans.
func commandsIn(text string) []string {
	var all []string
	fenced := false
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		spans := []string{strings.TrimPrefix(line, "$ ")}
		if !fenced {
			spans = nil
			for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
				spans = append(spans, m[1])
			}
		}
		for _, span := range spans {
			for _, part := range strings.FieldsFunc(span, func(r rune) bool { return strings.ContainsRune("|;&#()", r) }) {
				if part = strings.TrimSpace(part); strings.HasPrefix(part, "usher ") && !strings.HasPrefix(part, "usher: ") {
					all = append(all, part)
				}
			}
		}
	}
	return all
}

// commandProblem returns what is wrong with a command line; empty: nothing.
func commandProblem(app *cli.App, line string) string {
	words := strings.Fields(line)[1:]
	command := cmdutil.RootCommand(app)
	for len(words) > 0 {
		next := cmdutil.FindCommand(command.Subcommands, words[0])
		if next == nil {
			break
		}
		command, words = next, words[1:]
	}
	if command.Name == app.Name && len(words) > 0 && !strings.HasPrefix(words[0], "-") {
		return "there is no such command"
	}
	known := map[string]bool{"help": true}
	for _, c := range append([]*cli.Command{command}, command.Subcommands...) { // "usher try --sentinel" means each
		for _, f := range c.Flags {
			for _, name := range f.Names() {
				known[name] = true
			}
		}
	}
	for _, w := range words {
		name, ok := strings.CutPrefix(strings.Trim(w, "[]().,…"), "--")
		name, _, _ = strings.Cut(name, "=")
		if ok && name != "" && !known[name] {
			return command.HelpName + " has no option --" + name
		}
	}
	return ""
}

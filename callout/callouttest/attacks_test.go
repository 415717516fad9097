package callouttest_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// attack is an attack that a test shows to fail, as its doc comment describes it:
//
//	Attack: a client without a key connects
//	Held by: no verifier applies, so usher denies it
//
// Each is one line. A test may show several attacks, each with its own "Held by:".
type attack struct {
	text, heldBy string
	test         string // "TestX in callout"
}

const (
	attackMark = "Attack:"
	heldByMark = "Held by:"
)

// attacksBelow returns the attacks in all Go files below root. The lines must be in
// the doc comment of a test.
func attacksBelow(root fs.FS) ([]attack, error) {
	var found []attack
	var bad []error
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir // not part of this module
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		attacks, err := attacksIn(name, text)
		found, bad = append(found, attacks...), append(bad, err)
		return nil
	})
	return found, errors.Join(append(bad, err)...)
}

// attacksIn returns the attacks of one file.
func attacksIn(name string, text []byte) ([]attack, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	tests := map[*ast.CommentGroup]string{} // by doc comment
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Doc != nil && isTest(name, f) {
			tests[f.Doc] = fmt.Sprintf("`%s` in %s", f.Name.Name, path.Dir(name))
		}
	}
	var found []attack
	var bad []error
	for _, group := range file.Comments {
		attacks, err := attacksOf(group)
		if test, ok := tests[group]; !ok && len(attacks) > 0 {
			err = fmt.Errorf("%q is in a comment that is not the doc comment of a test", attackMark)
		} else {
			for i := range attacks {
				attacks[i].test = test
			}
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", files.Position(group.Pos()), err))
			continue
		}
		found = append(found, attacks...)
	}
	return found, errors.Join(bad...)
}

// isTest reports whether a function is a test or a fuzz target.
func isTest(file string, f *ast.FuncDecl) bool {
	if !strings.HasSuffix(file, "_test.go") || f.Recv != nil || f.Name.Name == "TestMain" {
		return false
	}
	return strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")
}

// attacksOf returns the attacks in a comment, each a pair of lines.
func attacksOf(group *ast.CommentGroup) ([]attack, error) {
	var found []attack
	lines := strings.Split(group.Text(), "\n")
	for i := 0; i < len(lines); i++ {
		if strings.HasPrefix(lines[i], heldByMark) {
			return nil, fmt.Errorf("%q without %q in the line before it", heldByMark, attackMark)
		}
		what, ok := strings.CutPrefix(lines[i], attackMark)
		if !ok {
			continue
		}
		i++
		heldBy, ok := strings.CutPrefix(lines[i], heldByMark) // the last line is empty
		switch next := lines[i+min(1, len(lines)-1-i)]; {
		case !ok:
			return nil, fmt.Errorf("%q without %q in the next line", attackMark, heldByMark)
		case strings.TrimSpace(what) == "" || strings.TrimSpace(heldBy) == "":
			return nil, fmt.Errorf("%q or %q is empty", attackMark, heldByMark)
		case next != "" && !strings.HasPrefix(next, attackMark):
			return nil, fmt.Errorf("%q must be one line, followed by an empty line or the end, not by %q", heldByMark, next)
		}
		found = append(found, attack{text: strings.TrimSpace(what), heldBy: strings.TrimSpace(heldBy)})
	}
	return found, nil
}

// attackTable returns the table for docs/reference/attacks.md: a row for each attack, with all
// its tests.
func attackTable(attacks []attack) string {
	tests := map[[2]string][]string{}
	for _, a := range attacks {
		row := [2]string{a.text, a.heldBy}
		tests[row] = append(tests[row], a.test)
	}
	var b strings.Builder
	b.WriteString("| attack | held by | tests |\n|---|---|---|\n")
	rows := slices.SortedFunc(maps.Keys(tests), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for _, row := range rows {
		slices.Sort(tests[row])
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cellText(row[0]), cellText(row[1]), strings.Join(slices.Compact(tests[row]), ", "))
	}
	return b.String()
}

// cellText escapes Markdown characters in the text of a table cell. Between backquotes
// it escapes only the bar.
func cellText(text string) string {
	parts := strings.Split(strings.ReplaceAll(text, "|", `\|`), "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`).Replace(parts[i])
	}
	return strings.Join(parts, "`")
}

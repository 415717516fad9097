package checkup

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"usher/callout/callouttest"
)

// TestChecksAreDocumented: docs/reference/checks.md lists every check that a finding can
// name, and no other. The names are the arguments for all parameters called check.
func TestChecksAreDocumented(t *testing.T) {
	t.Parallel()
	reported := reportedChecks(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "checks.md"))
	callouttest.Must(t, err)
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(string(page), -1) {
		for _, name := range strings.Split(row[1], ", ") {
			listed[strings.Trim(name, "`")] = true
		}
	}
	for name, where := range reported {
		if !listed[name] {
			t.Errorf("%s: check %q is not in docs/reference/checks.md", where, name)
		}
	}
	for name := range listed {
		if reported[name] == "" {
			t.Errorf("docs/reference/checks.md lists %q, which no finding names", name)
		}
	}
}

// reportedChecks returns the names of checks in the code, each with a place that uses it.
func reportedChecks(t *testing.T) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	var functions []*ast.FuncDecl
	constants := map[string]string{}
	for _, dir := range []string{".", "../doctor", "auditing", "endpoint", "finding", "gateway", "operatormode", "projectstreams", "pushheaders", "pushworkers", "sessions", "streambridge"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		callouttest.Must(t, err)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(fset, name, nil, 0)
			callouttest.Must(t, err)
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok {
					functions = append(functions, f)
				} else {
					addConstants(constants, d)
				}
			}
		}
	}
	position := map[string]int{} // of the parameter check, by function
	for _, f := range functions {
		at := 0
		for _, field := range f.Type.Params.List {
			for _, name := range field.Names {
				if name.Name == "check" {
					position[f.Name.Name] = at
				}
				at++
			}
		}
	}
	names := map[string]string{}
	for _, f := range functions {
		local := map[string]string{}
		addConstants(local, f)
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			at, ok := position[calledName(call)]
			if !ok || at >= len(call.Args) {
				return true
			}
			where := fset.Position(call.Pos()).String()
			switch x := call.Args[at].(type) {
			case *ast.BasicLit:
				name, err := strconv.Unquote(x.Value)
				callouttest.Must(t, err)
				names[name] = where
			case *ast.Ident:
				switch _, passedOn := position[f.Name.Name]; {
				case local[x.Name] != "":
					names[local[x.Name]] = where
				case constants[x.Name] != "":
					names[constants[x.Name]] = where
				case x.Name != "check" || !passedOn:
					t.Errorf("%s: %s is not a constant, so this test does not know the check", where, x.Name)
				}
			default:
				t.Errorf("%s: this test does not know the check", where)
			}
			return true
		})
	}
	return names
}

// addConstants adds the constants with a string that a declaration contains.
func addConstants(to map[string]string, n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, value := range spec.Values {
			if x, ok := value.(*ast.BasicLit); ok && x.Kind == token.STRING {
				to[spec.Names[i].Name], _ = strconv.Unquote(x.Value)
			}
		}
		return true
	})
}

// calledName returns the name of the function or method that is called.
func calledName(call *ast.CallExpr) string {
	switch x := call.Fun.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}

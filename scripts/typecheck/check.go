package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
)

// checker holds what has been checked so far.
type checker struct {
	files *token.FileSet
	sizes types.Sizes
	done  map[string]*types.Package // by import path
	errs  []error
}

// check type-checks packages in their order, and returns how many of them are of this
// module.
func check(packages []*pkg, arch string) (own int, errs []error) {
	c := &checker{files: token.NewFileSet(), sizes: types.SizesFor("gc", arch), done: map[string]*types.Package{"unsafe": types.Unsafe}}
	for _, p := range packages {
		c.check(p)
		if p.own() {
			own++
		}
	}
	return own, c.errs
}

// check type-checks one package. The bodies of functions of other modules are not read:
// the compiler has checked them.
func (c *checker) check(p *pkg) {
	if c.done[p.ImportPath] != nil {
		return
	}
	var files []*ast.File
	for _, path := range p.files() {
		file, err := parser.ParseFile(c.files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			c.errs = append(c.errs, err)
			return
		}
		files = append(files, file)
	}
	config := types.Config{
		Importer:         importer{c, p},
		Sizes:            c.sizes,
		IgnoreFuncBodies: !p.own(),
		Error:            func(err error) { c.errs = append(c.errs, err) },
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		config.GoVersion = "go" + p.Module.GoVersion
	}
	c.done[p.ImportPath], _ = config.Check(p.ImportPath, c.files, files, nil) // Error got the errors
}

// importer finds the packages that one package imports.
type importer struct {
	*checker
	of *pkg
}

func (i importer) Import(path string) (*types.Package, error) {
	if mapped, ok := i.of.ImportMap[path]; ok {
		path = mapped
	}
	if p := i.done[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("go list has no package %s before %s", path, i.of.ImportPath)
}

package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the format
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers the format
)

// packages makes the packages of a tree in dir with the library that goreleaser uses, and
// returns their names.
func (r *Release) packages(tree string, p *packageConfig, program, dir string) ([]string, error) {
	if p.FileNameTemplate != "{{ .ConventionalFileName }}" {
		return nil, fmt.Errorf("nfpms: file_name_template: %s is not understood", p.FileNameTemplate)
	}
	text, err := r.expand(p.MTime)
	if err != nil {
		return nil, err
	}
	mtime, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, fmt.Errorf("nfpms: mtime: %w", err)
	}
	var names []string
	for _, format := range p.Formats {
		packager, err := nfpm.Get(format)
		if err != nil {
			return nil, err
		}
		contents := files.Contents{{Source: program, Destination: path.Join(p.Bindir, "usher"), FileInfo: &files.ContentFileInfo{Mode: 0o755, MTime: mtime}}}
		for _, c := range p.Contents {
			in := *c
			if in.Source != "" {
				in.Source = filepath.Join(tree, in.Source)
			}
			if in.FileInfo != nil {
				info := *in.FileInfo
				info.MTime = mtime
				in.FileInfo = &info
			}
			contents = append(contents, &in)
		}
		info := nfpm.WithDefaults(&nfpm.Info{
			Name: p.PackageName, Arch: "amd64", Platform: "linux", Version: r.Version, Section: p.Section, Priority: p.Priority, Maintainer: p.Maintainer,
			Description: p.Description, Vendor: p.Vendor, Homepage: p.Homepage, License: p.License, MTime: mtime,
			Overridables: nfpm.Overridables{Umask: p.Umask, Contents: contents, RPM: p.RPM, Deb: p.Deb, Scripts: nfpm.Scripts{
				PreInstall: under(tree, p.Scripts.PreInstall), PostInstall: under(tree, p.Scripts.PostInstall),
				PreRemove: under(tree, p.Scripts.PreRemove), PostRemove: under(tree, p.Scripts.PostRemove),
			}},
		})
		if err := nfpm.PrepareForPackager(info, format); err != nil {
			return nil, err
		}
		name := packager.ConventionalFileName(info)
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if err := packager.Package(info, f); err != nil {
			return nil, err
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

func under(tree, path string) string {
	if path == "" {
		return ""
	}
	return filepath.Join(tree, path)
}

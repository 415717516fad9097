package file

import (
	"strings"

	"usher/directory"
	"usher/internal/strictyaml"
)

// faultyPaths are the paths that could not be decoded, or that are below a misspelled
// key. These faults are already reported. Checking the records would report the missing
// values a second time.
type faultyPaths struct {
	faults map[string]bool
	src    *strictyaml.Source
}

func faultyPathsOf(faults strictyaml.Errors, src *strictyaml.Source) faultyPaths {
	p := faultyPaths{faults: make(map[string]bool, len(faults)), src: src}
	for _, f := range faults {
		p.faults[f.Path] = true
	}
	return p
}

func (p faultyPaths) has(path string) bool { return p.faults[path] || p.src.Misspelled(path) }

// covers reports whether path or one of its parents could not be decoded.
func (p faultyPaths) covers(path string) bool {
	if len(p.faults) == 0 {
		return false
	}
	for ; path != ""; path = path[:max(0, strings.LastIndexAny(path, ".["))] {
		if p.has(path) {
			return true
		}
	}
	return p.faults[""]
}

// within reports whether a part of the record at path could not be decoded. What is missing in
// the record may be that part.
func (p faultyPaths) within(path string) bool {
	for fault := range p.faults {
		if strings.HasPrefix(fault, path+".") {
			return true
		}
	}
	return false
}

// complete reports whether all names could be decoded to which other records refer. If
// not, correct references would be reported as faults.
func complete(r directory.Records, faulty faultyPaths) bool {
	for path := range faulty.faults {
		if !strings.Contains(path, ".") && !strings.Contains(path, "[") {
			return false // the document itself, one of its lists, or a misspelled key of one
		}
	}
	missing := func(name, path string) bool { return name == "" && faulty.covers(path) }
	for i, u := range r.Users {
		if missing(u.Name, strictyaml.IndexPath("users", i)+".name") {
			return false
		}
	}
	for i, p := range r.Projects {
		path := strictyaml.IndexPath("projects", i)
		if missing(p.Name, path+".name") || faulty.has(path+".members") || faulty.has(path+".topics") {
			return false
		}
		for j, m := range p.Members {
			if missing(m.User, strictyaml.IndexPath(path+".members", j)+".user") {
				return false
			}
		}
		for j, t := range p.Topics {
			if missing(t.Name, strictyaml.IndexPath(path+".topics", j)+".name") {
				return false
			}
		}
	}
	return true
}

package file

import (
	"strings"

	"usher/directory"
	"usher/internal/strictyaml"
)

// places are the paths at which a file could not be decoded, or that stand under a
// misspelled key. These faults are reported already; checking the records would find
// the gaps that they leave, and report each a second time in other words.
type places struct {
	faults map[string]bool
	src    *strictyaml.Source
}

func placesOf(faults strictyaml.Errors, src *strictyaml.Source) places {
	p := places{faults: make(map[string]bool, len(faults)), src: src}
	for _, f := range faults {
		p.faults[f.Path] = true
	}
	return p
}

func (p places) has(path string) bool { return p.faults[path] || p.src.Misspelled(path) }

// cover reports whether path, or something that it lies in, could not be decoded.
func (p places) cover(path string) bool {
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

// complete reports whether everything could be decoded that other entries refer
// to. If not, the references would seem to dangle, however right they are.
func complete(r directory.Records, at places) bool {
	for path := range at.faults {
		if !strings.Contains(path, ".") && !strings.Contains(path, "[") {
			return false // the document itself, one of its lists, or a key that may have meant one
		}
	}
	lost := func(name, path string) bool { return name == "" && at.cover(path) }
	for i, u := range r.Users {
		if lost(u.Name, strictyaml.IndexPath("users", i)+".name") {
			return false
		}
	}
	for i, p := range r.Projects {
		path := strictyaml.IndexPath("projects", i)
		if lost(p.Name, path+".name") || at.has(path+".members") || at.has(path+".topics") {
			return false
		}
		for j, m := range p.Members {
			if lost(m.User, strictyaml.IndexPath(path+".members", j)+".user") {
				return false
			}
		}
		for j, t := range p.Topics {
			if lost(t.Name, strictyaml.IndexPath(path+".topics", j)+".name") {
				return false
			}
		}
	}
	return true
}

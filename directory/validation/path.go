package validation

import "strconv"

// path leads to a value of the records. A directory has millions of values, so a path
// becomes text only when a fault is reported.
type path struct {
	parent *path  // nil: the records themselves
	key    string // of the list or the value
	index  int    // in the list; noIndex: the value is not in a list
}

const noIndex = -1

func (p *path) field(key string) path { return path{parent: p, key: key, index: noIndex} }

func (p *path) element(key string, i int) path { return path{parent: p, key: key, index: i} }

// String returns the path in the form of Problem.Path.
func (p *path) String() string {
	text := ""
	for ; p != nil; p = p.parent {
		index := ""
		if p.index != noIndex {
			index = "[" + strconv.Itoa(p.index) + "]"
		}
		text = "." + p.key + index + text
	}
	return text[1:]
}

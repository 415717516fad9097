package ownedfile

import (
	"path/filepath"
	"strings"
)

// procFolder holds links to what a process has open and to its root folder. The text of
// such a link is not the path it leads to, and the link belongs to the owner of the
// process, so walk cannot check where it leads.
const procFolder = "/proc/"

// isProcessLink reports whether a link lies below the folder of a process. Links in
// /proc itself, such as "self", are ordinary ones.
func isProcessLink(link string) bool {
	rest, below := strings.CutPrefix(link, procFolder)
	return below && strings.Contains(rest, "/")
}

// isOwnDescriptor reports whether link is a descriptor of this process, to which
// /dev/fd/N leads: the shell passes one for "<(command)".
func (s *system) isOwnDescriptor(link string) bool {
	self, err := s.readlink(procFolder + "self")
	return err == nil && filepath.Dir(link) == procFolder+self+"/fd"
}

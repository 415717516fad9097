package ownedfile

import (
	"io/fs"
	"path/filepath"
)

// credentialsFolder is where systemd makes a folder with the secrets of each service.
const credentialsFolder = "/run/credentials"

// InCredentials reports whether a folder is one that systemd has made for the credentials of
// a service. It may hold files that have nothing to do with each other.
func InCredentials(dir string) bool {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	return host().isCredentials(abs)
}

// isCredentials reports whether dir is a folder for the credentials of one service. Only root
// can have made it, and only root and who is in its access control list can enter it.
func (s *system) isCredentials(dir string) bool {
	if filepath.ToSlash(filepath.Dir(dir)) != credentialsFolder {
		return false
	}
	info, err := s.lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	owner, ok := s.owner(info)
	return ok && (owner == 0 || owner == s.user) && info.Mode().Perm()&^0o550 == 0
}

// isCredential reports whether the file at path is a credential that systemd has written. Its
// bits for the group are the mask of an access control list, in which the user of the service
// stands: nobody else can enter the folder.
func (s *system) isCredential(path string, info fs.FileInfo) bool {
	if filepath.Clean(path) != path || !s.isCredentials(filepath.Dir(path)) {
		return false
	}
	at, err := s.lstat(path) // info may be what a link leads to
	owner, ok := s.owner(info)
	return err == nil && at.Mode().IsRegular() && ok && owner == 0 && info.Mode().Perm()&^0o440 == 0
}

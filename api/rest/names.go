package rest

import (
	"github.com/google/uuid"

	"usher/directory/snapshot"
)

// UserName returns the name of a user, or an empty one if the user has been removed.
func UserName(s *snapshot.Snapshot, id uuid.UUID) string {
	if u, ok := s.UserByID(id); ok && id != uuid.Nil {
		return u.Name
	}
	return ""
}

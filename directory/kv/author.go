package kv

import (
	"context"

	"github.com/google/uuid"
)

// Author is the user on whose behalf a change is made. The zero value is usher itself.
type Author struct {
	User uuid.UUID

	// Project is the project whose share of the bucket is charged for the change, and
	// whose other changes the change queues behind. Nil: nobody is charged, and the
	// change queues behind those of User.
	Project uuid.UUID
}

type authorKey struct{}

// ByAuthor returns a context in which changes are the author's.
func ByAuthor(ctx context.Context, a Author) context.Context {
	return ByCurrentAuthor(ctx, func() Author { return a })
}

// ByCurrentAuthor is ByAuthor for an author whose rights may change before the change
// is committed. Change calls current before the change queues, and again each time when
// the function that was passed to Change has returned.
func ByCurrentAuthor(ctx context.Context, current func() Author) context.Context {
	return context.WithValue(ctx, authorKey{}, current)
}

func authorOf(ctx context.Context) Author {
	if current, ok := ctx.Value(authorKey{}).(func() Author); ok {
		return current()
	}
	return Author{}
}

// flow returns the author's flow in the queue. All administrators of a project are one
// flow.
func (a Author) flow() uuid.UUID {
	if a.Project != uuid.Nil {
		return a.Project
	}
	return a.User
}

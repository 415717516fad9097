// Package quota counts how many bytes a bucket holds, and how many of them each
// project is charged for.
//
// It promises to count as nats-server does, so that every replica that follows the
// bucket reaches the same numbers. It never refuses a change; package kv does.
package quota

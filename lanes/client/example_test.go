package client_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
)

// One job, and what became of it.
func Example() {
	ctx := context.Background()
	c, err := client.New(client.Options{AMQPURL: os.Getenv("SIREN_AMQP_URL"), RedisURL: os.Getenv("SIREN_REDIS_URL")})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	id, err := c.Enqueue(ctx, job.Job{
		Kind: "thumbnail", Labels: map[string]string{"urgent": "true"},
		Input: "s3://media-in/a.mp4", Output: "s3://media-out/a.jpg",
	})
	if err != nil {
		log.Fatal(err)
	}
	record, err := c.Wait(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(record.Lane, record.State, record.Outputs[0].URL)
	// Output: express completed s3://media-out/a.jpg
}

// Many jobs at once: each has an outcome of its own.
func ExampleClient_EnqueueBatch() {
	c, err := client.New(client.Options{AMQPURL: os.Getenv("SIREN_AMQP_URL"), RedisURL: os.Getenv("SIREN_REDIS_URL")})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	for _, o := range c.EnqueueBatch(context.Background(), []job.Job{
		{
			ID: "holiday-1", Kind: "transcode", Labels: map[string]string{"batch": "true"},
			Input: "s3://media-in/1.mov", Output: "s3://media-out/1.mp4",
		},
		{ID: "holiday-2"},
	}) {
		fmt.Printf("%s: lane %s, error %v\n", o.ID, o.Lane, o.Err)
	}
	// Output:
	// holiday-1: lane bulk, error <nil>
	// holiday-2: lane standard, error kind is missing: what is to be done with the input? Give a kind, or a preset
}

// Every step of several jobs, as it is seen.
func ExampleClient_Watch() {
	ctx := context.Background()
	c, err := client.New(client.Options{
		AMQPURL: os.Getenv("SIREN_AMQP_URL"), RedisURL: os.Getenv("SIREN_REDIS_URL"),
		AnyKind: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	var ids []string
	for _, kind := range []string{"probe", "broken"} {
		id, err := c.Enqueue(ctx, job.Job{Kind: kind, Input: "s3://media-in/a.mp4", Output: "s3://media-out/a.json"})
		if err != nil {
			log.Fatal(err)
		}
		ids = append(ids, id)
	}
	for r, err := range c.Watch(ctx, ids...) {
		switch {
		case err != nil:
			log.Fatal(err)
		case r.State.Final():
			fmt.Printf("%s: %s\n", r.Kind, r.State)
		}
	}
	// Unordered output:
	// probe: completed
	// broken: dead
}

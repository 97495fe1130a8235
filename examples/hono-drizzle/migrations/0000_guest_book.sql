CREATE TABLE "session" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "session_expires_at" ON "session" USING btree ("expires_at");
--> statement-breakpoint
CREATE TABLE "note" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	"author" text NOT NULL,
	"body" text NOT NULL,
	"written_in" text NOT NULL,
	"written_at" timestamp with time zone DEFAULT now() NOT NULL
);

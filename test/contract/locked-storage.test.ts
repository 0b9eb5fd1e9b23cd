import { systemClock } from "../../src/lib/clock.ts";
import { memoryStorage } from "../../src/storage/memory.ts";
import { lockedStorage } from "../fakes/locked-storage.ts";
import { describeObjectLock } from "./object-lock.ts";

describeObjectLock("the double", async (uncommittedMs) => lockedStorage(memoryStorage.open({}), { clock: systemClock, uncommittedMs, committedMs: uncommittedMs }));

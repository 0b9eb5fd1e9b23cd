import { describeStorage } from "../../test/contract/storage.ts";
import { memoryStorage } from "./memory.ts";

describeStorage("memory", async () => memoryStorage.open({}));
